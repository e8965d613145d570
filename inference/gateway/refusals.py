"""How often requests were refused: by tenant, key, model, code, limit and hour.

What is refused is not metered and leaves no row of its own: under a storm rows would be
many. It is counted in memory instead, and every few seconds what has changed is written
for the tenant to see, on a connection that is there anyway. A row says all that its
process counted of one kind within an hour, so that writing it again changes nothing.

Failure: what cannot be written at once, as where its rows are locked, is written later,
and holds up nothing else of that connection; a process that is killed loses what it
counted since it last wrote. Where kinds get too many, those that come later are counted
together, without key and model. Owns: the counters of about an hour.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import NamedTuple

import orjson
import psycopg
import structlog
from psycopg import AsyncConnection

from inference.gateway.http import HttpRequest
from kit.clock import boot_us
from kit.contracts import Caller
from kit.errors import PlatformError
from kit.postgres import connect

TELL_US = 5_000_000
LAST_S = 2.0
HOUR_US = 3_600_000_000
# Kinds that one process tells apart, and as many of tenants alone.
KINDS_MAX = 5_000
ROWS_MAX = 1_000
NAME_CHARS_MAX = 64
# In milliseconds. Keys that are revoked wait for what shares the connection.
_PATIENCE = """
SELECT set_config('lock_timeout', '300', true),
    set_config('statement_timeout', '500', true)
"""

_TELL = """
INSERT INTO control_refusal (
    tenant_id, hour, source, project_id, api_key_id, model, status, code, refused_by,
    requests, last_at
)
SELECT tenant_id, to_timestamp(hour * 3600), %(source)s, project_id, api_key_id, model,
    status, code, refused_by, requests, to_timestamp(last_us / 1000000.0)
FROM jsonb_to_recordset(%(rows)s::jsonb) AS told (
    hour bigint, tenant_id bigint, project_id bigint, api_key_id bigint, model text,
    status smallint, code text, refused_by text, requests bigint, last_us bigint
)
ORDER BY tenant_id, hour, project_id, api_key_id, model, status, code, refused_by
ON CONFLICT (
    tenant_id, hour, source, project_id, api_key_id, model, status, code, refused_by
) DO UPDATE
SET requests = greatest(control_refusal.requests, excluded.requests),
    last_at = greatest(control_refusal.last_at, excluded.last_at)
"""

log = structlog.get_logger("tollgate.refusals")


class Kind(NamedTuple):
    """What refusals have in common that are counted as one, within an hour of UTC."""

    hour: int
    tenant_id: int
    project_id: int
    api_key_id: int
    model: str
    status: int
    code: str
    refused_by: str


class Count:
    """How many, when the last of them, and how many of them are written, and when."""

    __slots__ = ("last_us", "number", "told", "tried_us")

    def __init__(self) -> None:
        self.number = 0
        self.told = 0
        self.last_us = 0
        self.tried_us = 0


class Refusals:
    """Counts refusals of one process, and tells of them.

    `now_us` is PostgreSQL's clock as the meter knows it, where it does.
    """

    def __init__(self, gateway: str, now_us: Callable[[], int]) -> None:
        # Two runs of one name count from nothing each.
        self.source = f"{gateway[:100]}#{secrets.token_hex(4)}"
        # Of this hour, those of which nothing is told.
        self.uncounted = 0
        self._now_us = now_us
        self._counts: dict[Kind, Count] = {}
        self._hour = 0
        self._told_us: int | None = None
        # Whether the last rows were refused, which is said once and not each time.
        self._is_refused = False

    def add(self, http: HttpRequest, error: PlatformError) -> None:
        """Count a request that ends here with an error, if it is of a known caller.

        One that is metered has its own row.
        """
        caller = http.caller
        if caller is None or http.is_metered:
            return
        now_us = self._now_us()
        hour = now_us // HOUR_US
        if hour != self._hour:
            self._hour, self.uncounted = hour, 0
            self._forget_told()
        count = self._count_of(_kind(hour, caller, http.model, error))
        if count is None:
            if not self.uncounted:
                log.warning("refusals_uncounted", kinds=len(self._counts))
            self.uncounted += 1
            return
        count.number += 1
        count.last_us = now_us

    async def tell(self, connection: AsyncConnection) -> None:
        """Write what has changed, unless that was done a moment ago.

        Of more than fit, those come first that were not written for longest.
        """
        now_us = boot_us()
        if self._told_us is not None and now_us - self._told_us < TELL_US:
            return
        self._told_us = now_us
        await self._write(connection, now_us)

    async def _write(self, connection: AsyncConnection, now_us: int) -> bool:
        """Write as many of those that wait as fit; tell whether any were."""
        waiting = self._waiting()
        if not waiting:
            return False
        waiting.sort(key=lambda each: each[1].tried_us)
        changed = [
            (kind, count, count.number, count.last_us)
            for kind, count in waiting[:ROWS_MAX]
        ]
        for _, count, _, _ in changed:
            count.tried_us = now_us
        rows = [
            {**kind._asdict(), "requests": number, "last_us": last_us}
            for kind, _, number, last_us in changed
        ]
        values = {"source": self.source, "rows": orjson.dumps(rows).decode()}
        try:
            async with connection.transaction():
                await connection.execute(_PATIENCE)
                await connection.execute(_TELL, values)
        except psycopg.Error as error:
            if connection.closed:
                raise
            # Nobody's request waits for it: what shares the connection goes on.
            if not self._is_refused:
                log.warning("refusals_not_told", reason=type(error).__name__)
            self._is_refused = True
            return False
        self._is_refused = False
        for _, count, number, _ in changed:
            count.told = number
        return True

    async def tell_last(self, url: str) -> None:
        """Write all that is left as the process stops; what takes long is lost."""
        if not self._waiting():
            return
        reason = "not told"
        try:
            async with asyncio.timeout(LAST_S):
                connection = await connect(url, name=f"{self.source} refusals")
                try:
                    while await self._write(connection, boot_us()):
                        pass
                finally:
                    await connection.close()
        except (TimeoutError, psycopg.Error) as error:
            reason = type(error).__name__
        if left := sum(count.number - count.told for _, count in self._waiting()):
            log.warning("refusals_lost", requests=left, reason=reason)

    def _waiting(self) -> list[tuple[Kind, Count]]:
        return [each for each in self._counts.items() if each[1].number != each[1].told]

    def _count_of(self, kind: Kind) -> Count | None:
        """Return the counter of a kind, else of its tenant's rest; None if too many."""
        count = self._counts.get(kind)
        if count is None and len(self._counts) >= KINDS_MAX:
            kind = kind._replace(project_id=0, api_key_id=0, model="")
            count = self._counts.get(kind)
            if count is None and len(self._counts) >= 2 * KINDS_MAX:
                return None
        if count is None:
            count = self._counts[kind] = Count()
        return count

    def _forget_told(self) -> None:
        """Forget what of hours before is written: it counts no more."""
        self._counts = {
            kind: count
            for kind, count in self._counts.items()
            if kind.hour == self._hour or count.number != count.told
        }


def _kind(hour: int, caller: Caller, model: str, error: PlatformError) -> Kind:
    code = error.code or error.type
    # An engine's own code is anything; ours are names.
    is_name = code.isascii() and code.isidentifier() and len(code) <= NAME_CHARS_MAX
    return Kind(
        hour,
        caller.tenant_id,
        caller.project_id,
        caller.api_key_id,
        model,
        error.status,
        code if is_name else error.type,
        error.refused_by,
    )
