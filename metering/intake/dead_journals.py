"""Find the journals of dead processes on this host, and settle what is in them.

Every gateway looks when it starts, and once a second after: a lock that can be had is
the proof, so nobody has to wait for a silence. Runs in a thread, with a connection of
its own. Failure: while the database is away a journal is left for the next look; one
that cannot be read, or belongs to another database, is left for good and named once.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import structlog

from metering.intake.journal_file import JournalError, JournalFile, journals_in
from metering.intake.owed import Bills
from metering.intake.recovery import DeadEpoch, UnknownEpochError, settle_dead

LOOK_S = 1.0
CONNECT_S = 3
# Somebody else has its epoch for long.
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
_PATIENCE = "-c lock_timeout=5000 -c statement_timeout=30000"

log = structlog.get_logger("tollgate.intake")


@dataclass(slots=True)
class DeadJournals:
    """Recovers what is left in a folder; `own` is this process's journal."""

    folder: Path
    url: str
    name: str
    own: Path
    recovered: int = 0
    unreadable: set[Path] = field(default_factory=set[Path])

    async def look_forever(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Settle every journal whose process is dead."""
        looking = asyncio.create_task(asyncio.to_thread(self._look))
        try:
            await asyncio.shield(looking)
        except asyncio.CancelledError:
            # A thread cannot be cancelled, and a stopping process must not outrun it.
            with contextlib.suppress(Exception):
                await looking
            raise
        except psycopg.OperationalError as error:
            log.warning("recovery_interrupted", reason=type(error).__name__)
        except Exception:
            log.exception("recovery_failed")

    def _look(self) -> None:
        for path in journals_in(self.folder):
            if path == self.own or path in self.unreadable:
                continue
            try:
                found = JournalFile.claim(path)
            except JournalError as error:
                self._give_up(path, error)
                continue
            except OSError as error:
                reason = error.strerror
                log.warning("journal_left_for_later", journal=path.name, reason=reason)
                continue
            if found is not None:
                try:
                    self._recover(found)
                except _BUSY:
                    log.warning("journal_left_for_later", journal=path.name)
                except psycopg.OperationalError:
                    raise
                except Exception:
                    # Whatever is wrong with this one, the others are not to wait.
                    log.exception("recovery_failed", journal=path.name)

    def _recover(self, found: JournalFile) -> None:
        is_settled = False
        try:
            is_settled = self._settle(found)
        except UnknownEpochError as error:
            self._give_up(found.path, error)
        finally:
            if is_settled:
                found.remove()
            else:
                found.close()

    def _settle(self, found: JournalFile) -> bool:
        slots = found.read()
        head = found.head(slots)
        if not head.epoch_id:
            return True
        epoch = DeadEpoch(
            head.epoch_id,
            head.gateway,
            started_us=head.started_us,
            admitted=head.admitted,
            voided=head.voided,
        )
        name = f"{self.name} recovery"
        with psycopg.connect(
            self.url,
            application_name=name,
            connect_timeout=CONNECT_S,
            options=_PATIENCE,
        ) as session:
            try:
                done = settle_dead(session, epoch, slots, bills=Bills.OFFERED)
            except UnknownEpochError:
                # That the database is the one, what is long committed may prove, too.
                slots = found.read(is_old_wanted=True)
                done = settle_dead(session, epoch, slots, bills=Bills.OFFERED)
        self.recovered += 1
        log.warning(
            "journal_recovered",
            journal=found.path.name,
            epoch_id=head.epoch_id,
            requests=done.requests,
            corrections=done.corrections,
        )
        return True

    def _give_up(self, path: Path, error: Exception) -> None:
        self.unreadable.add(path)
        log.critical("journal_not_recovered", journal=str(path), reason=str(error))
