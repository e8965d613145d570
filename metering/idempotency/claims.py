"""Claims of keys by one gateway process, on a connection of its own. Loads no Django.

What came while the database worked is asked in one statement, in the order of the keys:
two processes with the same keys then wait for each other, and do not deadlock. Claims
to forget go first, so that a client of this process finds its key free.

Failure: `ServiceUnavailable` at once while PostgreSQL is away, and after `PATIENCE_S`
otherwise. Such a request is not run, though its claim may have come through: it is
forgotten, and that is tried until it succeeds or the epoch is closed, which ends every
claim of its attempts. A statement of unknown outcome is sent again once its backend is
gone; asked twice, the database says the same. Owns: its connection, who waits.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection

from kit.contracts import Admission, ClaimVerdict, KeyedRequest
from kit.errors import ServiceUnavailable
from kit.postgres import connect
from metering.intake.statements import TERMINATE

# How long a request waits for its verdict: a refusal is heard within a second.
PATIENCE_S = 0.8
BATCH_MAX = 500
_PAUSE_S = 0.1
_OPTIONS = "-c lock_timeout=2000 -c statement_timeout=5000"
_FENCED = "fenced"
_CLAIM = """
SELECT asked.request, idempotency_claim(
    asked.tenant, asked.key, asked.body, asked.request, asked.admitted_us, %(epoch_id)s
)
FROM unnest(
    %(tenants)b::bigint[], %(keys)b::bytea[], %(bodies)b::bytea[], %(requests)b::uuid[],
    %(instants_us)b::bigint[]
) AS asked (tenant, key, body, request, admitted_us)
"""
_FORGET = """
SELECT idempotency_forget(told.tenant, told.key, told.request)
FROM unnest(%(tenants)b::bigint[], %(keys)b::bytea[], %(requests)b::uuid[])
    AS told (tenant, key, request)
"""

log = structlog.get_logger("tollgate.idempotency")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request that waits for its verdict."""

    admission: Admission
    keyed: KeyedRequest
    verdict: "asyncio.Future[str]"


@dataclass(slots=True)
class Claims:
    """Implements `kit.contracts.IdempotencyClaims` on PostgreSQL."""

    url: str
    name: str
    epoch_id: Callable[[], int]
    is_away: Callable[[], bool]
    _asked: list[_Asked] = field(default_factory=list)
    # By request: whose and which key.
    _told: dict[UUID, tuple[int, bytes]] = field(default_factory=dict)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: AsyncConnection | None = None
    _old_pid: int | None = None

    @property
    def to_forget(self) -> int:
        """Return how many claims of requests that did not run are still to be told."""
        return len(self._told)

    async def claim(self, admission: Admission, keyed: KeyedRequest) -> ClaimVerdict:
        """Claim a key; see `kit.contracts.IdempotencyClaims.claim`."""
        if self.is_away():
            raise _away()
        verdict = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(admission, keyed, verdict))
        self._wanted.set()
        try:
            async with asyncio.timeout(PATIENCE_S):
                said = await verdict
        except TimeoutError:
            self.forget(admission, keyed)
            raise _away() from None
        except BaseException:
            self.forget(admission, keyed)
            raise
        if said == _FENCED:
            raise _away()
        return ClaimVerdict(said)

    def forget(self, admission: Admission, keyed: KeyedRequest) -> None:
        """Take a claim back; see `kit.contracts.IdempotencyClaims.forget`."""
        tenant_id = admission.caller.tenant_id
        self._told[admission.request_id] = tenant_id, keyed.key_digest
        self._wanted.set()

    async def run(self) -> None:
        """Answer what is asked and tell what is forgotten, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                try:
                    await self._turn()
                except psycopg.Error as error:
                    log.warning("claims_not_answered", reason=type(error).__name__)
                    await asyncio.sleep(_PAUSE_S)
                if self._told or self._asked:
                    self._wanted.set()
        finally:
            await self._hang_up()

    async def _turn(self) -> None:
        """Tell and ask; what was asked in vain is not asked again."""
        batch, self._asked = self._asked[:BATCH_MAX], self._asked[BATCH_MAX:]
        batch.sort(key=_place)
        try:
            try:
                await self._say(batch)
            except psycopg.OperationalError:
                # The connection was idle and may have died unnoticed.
                await self._hang_up()
                await self._say(batch)
        except psycopg.Error:
            await self._hang_up()
            for asked in batch:
                if not asked.verdict.done():
                    asked.verdict.set_exception(_away())
            raise

    async def _say(self, batch: Sequence[_Asked]) -> None:
        connection = await self._connected()
        told = sorted(self._told.items(), key=lambda item: item[1])[:BATCH_MAX]
        if told:
            await connection.execute(
                _FORGET,
                {
                    "tenants": [tenant_id for _, (tenant_id, _) in told],
                    "keys": [key for _, (_, key) in told],
                    "requests": [request_id for request_id, _ in told],
                },
            )
            for request_id, _ in told:
                del self._told[request_id]
        # Whoever has given up waiting meanwhile is forgotten in the next turn.
        batch = [asked for asked in batch if not asked.verdict.done()]
        if not batch:
            return
        cursor = await connection.execute(
            _CLAIM,
            {
                "epoch_id": self.epoch_id(),
                "tenants": [one.admission.caller.tenant_id for one in batch],
                "keys": [one.keyed.key_digest for one in batch],
                "bodies": [one.keyed.body_digest for one in batch],
                "requests": [one.admission.request_id for one in batch],
                "instants_us": [one.admission.admitted_at_us for one in batch],
            },
        )
        said: dict[UUID, str] = dict(await cursor.fetchall())
        for asked in batch:
            if not asked.verdict.done():
                asked.verdict.set_result(said[asked.admission.request_id])

    async def _connected(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            connection = await connect(
                self.url, name=f"{self.name} claims", options=_OPTIONS
            )
            self._connection = connection
            new_pid = connection.info.backend_pid
            if self._old_pid not in {None, new_pid}:
                # It may still be at work: a claim must not come after its forgetting.
                await connection.execute(
                    TERMINATE, {"pid": self._old_pid, "name": f"{self.name} claims"}
                )
            self._old_pid = new_pid
        return self._connection

    async def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                await self._connection.close()
            self._connection = None


def _place(asked: _Asked) -> tuple[int, bytes]:
    return asked.admission.caller.tenant_id, asked.keyed.key_digest


def _away() -> ServiceUnavailable:
    return ServiceUnavailable(
        "Whether this Idempotency-Key is in use cannot be told at the moment. Try again"
        " shortly, or send the request without it.",
        headers={"retry-after": "1"},
    )
