"""How many gateways run, as their heartbeats tell: by as many, limits are shared out.

Failure: without the database the last count holds. Owns: the count.
"""

import asyncio

from psycopg import AsyncConnection

# How often to look, and how long a gateway may be silent and still be counted.
LOOK_S = 5.0
SILENT_S = 10

_RUNNING = """
SELECT count(DISTINCT gateway) FROM usage_epoch
WHERE state = 'open'
AND heartbeat_at > clock_timestamp() - make_interval(secs => %(silent_s)s::float8)
"""


class Peers:
    """Counts the gateways, this one included."""

    def __init__(self) -> None:
        self._count = 1
        self._looked_at = float("-inf")

    def count(self) -> int:
        """Return how many there were at the last look, at least one."""
        return self._count

    async def refresh(self, connection: AsyncConnection) -> None:
        """Look, unless it was done a moment ago."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        cursor = await connection.execute(_RUNNING, {"silent_s": SILENT_S})
        row = await cursor.fetchone()
        self._count = max(1, row[0] if row else 1)
