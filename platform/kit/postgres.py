"""Connections of the data plane to PostgreSQL, and following what is announced.

Failure: connecting is tried again for ever with a short backoff; a follower keeps what
it last read and refreshes as soon as it is connected again. Whatever breaks a refresh
is logged and tried again: a follower that ended unnoticed would serve old news for
ever.
"""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog
from psycopg import AsyncConnection, sql
from psycopg.types.numeric import Int8BinaryDumper

# A refresh that failed by itself is not helped by haste.
FAILED_PAUSE_S = 1.0
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5)
# A peer that vanished without a word is noticed by the kernel, not by a timer of ours.
_PATIENCE = "&".join(
    (
        "connect_timeout=3",
        "tcp_user_timeout=5000",
        "keepalives_idle=5",
        "keepalives_interval=2",
        "keepalives_count=2",
    )
)

log = structlog.get_logger("tollgate.postgres")

Refresh = Callable[[AsyncConnection], Awaitable[None]]


async def connect(url: str, *, name: str, options: str = "") -> AsyncConnection:
    """Connect, trying again until it works; statements are prepared at first use."""
    attempt = 0
    while True:
        try:
            connection = await AsyncConnection.connect(
                f"{url}{'&' if '?' in url else '?'}{_PATIENCE}",
                autocommit=True,
                prepare_threshold=0,
                application_name=name,
                options=options,
            )
        except psycopg.OperationalError as error:
            if attempt == 0:
                log.warning(
                    "database_unreachable", name=name, reason=type(error).__name__
                )
            await asyncio.sleep(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            attempt += 1
        else:
            # One width for every integer, so that a statement is prepared once.
            connection.adapters.register_dumper(int, Int8BinaryDumper)
            return connection


async def follow(
    url: str, *, name: str, channel: str, refresh: Refresh, poll_s: float
) -> None:
    """Refresh now, at every announcement on the channel, and every `poll_s`.

    A dropped connection loses announcements and a pooler passes none, hence the
    polling; the address must be a direct one. Runs until cancelled.
    """
    while True:
        connection = await connect(url, name=name)
        try:
            await connection.execute(
                sql.SQL("LISTEN {}").format(sql.Identifier(channel))
            )
            while True:
                await refresh(connection)
                async for _ in connection.notifies(timeout=poll_s, stop_after=1):
                    pass
        except psycopg.OperationalError as error:
            log.warning("follower_lost", name=name, reason=type(error).__name__)
        except Exception:
            log.exception("follower_failed", name=name)
            await asyncio.sleep(FAILED_PAUSE_S)
        finally:
            await connection.close()
