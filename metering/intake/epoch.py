"""The present epoch of a gateway process: its row, its numbers, its one connection.

The row is the fence: whatever is written takes effect only while it is open and stands
just before the batch's first number, so a batch of unknown outcome may be sent again
unchanged. Failure: `psycopg.Error` as it came, after which the caller drops the
connection; `EpochClosedError` once somebody else closed the epoch. Owns: the epoch's
id, the last number, the commit connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from psycopg import AsyncConnection

from kit.postgres import connect
from metering.intake import statements
from metering.intake.arrays import register_arrays
from metering.intake.events import Pending, parameters
from metering.intake.owed import Stands
from metering.intake.recovery import stands_of
from metering.intake.recovery_statements import STANDING

_LOOKED_UP_MAX = 5000

log = structlog.get_logger("tollgate.intake")


class EpochClosedError(Exception):
    """Somebody closed this process's epoch; a new one must be opened."""


@dataclass(frozen=True, slots=True)
class EpochCounts:
    """What only the process knows of its epoch.

    `open_since_us` is the instant before which nothing that was admitted is still
    uncommitted; None before the clock is set, when nothing can have been admitted.
    """

    admitted: int
    voided: int
    open_since_us: int | None


class Epoch:
    """Opens, numbers and closes the epochs of one gateway, one after the other."""

    def __init__(self, *, url: str, gateway: str) -> None:
        self._url = url
        self._gateway = gateway
        self.id = 0
        self.started_us = 0
        self.last_seq = 0
        # Whether the database may have lost what it had confirmed.
        self.may_lack = False
        self._connection: AsyncConnection | None = None
        self._old_pid: int | None = None

    async def open(self, *, left: EpochCounts) -> None:
        """Take this gateway's next epoch, fence off those before, leave the last one.

        `left` is what the one before ends with: all that goes on in the new one taken
        off.
        """
        connection = await self._connected()
        cursor = await connection.execute(
            statements.OPEN_EPOCH,
            {
                "gateway": self._gateway,
                "previous": self.id,
                "admitted": left.admitted,
                "voided": left.voided,
                "open_since_us": left.open_since_us,
            },
        )
        row = await cursor.fetchone()
        if row is None:
            raise RuntimeError("the database opened no epoch")
        self.id, self.started_us = row
        self.last_seq, self.may_lack = 0, False

    async def commit(
        self, batch: Sequence[Pending], *, spent: str, counts: EpochCounts
    ) -> None:
        """Commit the batch under the next numbers, or find that it already is.

        `spent` is what it uses up of this epoch's leases, as `LeaseBroker.spent` says.
        """
        connection = await self._connected()
        first, last = self.last_seq + 1, self.last_seq + len(batch)
        values: dict[str, object] = dict(
            parameters([item.event for item in batch], first=first)
        )
        values.update(
            epoch_id=self.id,
            first=first,
            last=last,
            settled=sum(item.event.settles for item in batch),
            spent=spent,
            admitted=counts.admitted,
            voided=counts.voided,
        )
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(statements.COMMIT_BATCH, values, prepare=True)
            row = await cursor.fetchone()
            if row is not None and row[0] == 1:
                self.last_seq = last
                return
            await cursor.execute(statements.EPOCH_STATE, {"epoch_id": self.id})
            epoch = await cursor.fetchone()
        # Nobody else numbers an epoch that stays open: who stands at our last number is
        # us, in a try whose answer got lost. Whoever closed it may have gone on from
        # there, and only the events themselves tell.
        if epoch is not None and epoch[0] == "open" and epoch[1] >= last:
            self.last_seq = last
            return
        raise EpochClosedError

    async def look_back(self) -> None:
        """See whether the database surely still has all that it had confirmed.

        The last number of an epoch that somebody closed does not tell: a reaper goes on
        from an older one, and may have come as far again.
        """
        connection = await self._connected()
        cursor = await connection.execute(statements.EPOCH_STATE, {"epoch_id": self.id})
        row = await cursor.fetchone()
        state, last_seq = ("", -1) if row is None else row
        self.may_lack = self._is_older(last_seq) or state != "open"

    def _is_older(self, last_seq: int) -> bool:
        """Tell, loudly, whether an older state of the database came back."""
        is_older = last_seq < self.last_seq
        if is_older:
            log.error("epoch_went_back", epoch_id=self.id, last_seq=self.last_seq)
        return is_older

    async def standing(self, keys: Sequence[tuple[int, UUID]]) -> dict[UUID, Stands]:
        """Return what the table has of these events, by tenant and id."""
        connection = await self._connected()
        found: dict[UUID, Stands] = {}
        for start in range(0, len(keys), _LOOKED_UP_MAX):
            some = keys[start : start + _LOOKED_UP_MAX]
            cursor = await connection.execute(
                STANDING,
                {
                    "tenant_ids": [tenant_id for tenant_id, _ in some],
                    "request_ids": [request_id for _, request_id in some],
                },
            )
            found.update(stands_of(await cursor.fetchall()))
        return found

    async def close(self, counts: EpochCounts) -> bool:
        """Close the epoch with its counts, also if somebody did so before.

        Return whether the database still has every number that it had confirmed.
        """
        connection = await self._connected()
        cursor = await connection.execute(
            statements.CLOSE_EPOCH,
            {
                "epoch_id": self.id,
                "admitted": counts.admitted,
                "voided": counts.voided,
            },
        )
        row = await cursor.fetchone()
        return not self._is_older(-1 if row is None else row[0])

    async def drop_connection(self) -> None:
        """Close the connection; the next statement gets a new one."""
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            name = f"{self._gateway} commit"
            self._connection = await connect(self._url, name=name)
            register_arrays(self._connection)
            new_pid = self._connection.info.backend_pid
            if self._old_pid not in {None, new_pid}:
                # The lost backend may still be committing: wait until it is gone.
                await self._connection.execute(
                    statements.TERMINATE, {"pid": self._old_pid, "name": name}
                )
            self._old_pid = new_pid
        return self._connection
