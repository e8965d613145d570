"""The file behind a journal: its head, its lock, and how a dead process's is found.

A process holds the lock of its file for as long as it lives, and the kernel gives it
back however the process ends: a lock that can be had proves that the owner is dead. A
file gets its name only once it is locked and has its blocks, so that no reader meets
half of one and a full disk stops the start instead of a write.

Failure: `JournalError` for a folder or file that cannot be used, with what to do.
"""

import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from metering.intake.slots import (
    CHECKSUM,
    COMMITTED_AT,
    KEPT_US,
    PHASE_AT,
    SLOT_BYTES,
    Phase,
    Slot,
    checked,
    read_slots,
)

SUFFIX = ".journal"
MAGIC = b"tollgate journal 1"
HEAD_BYTES = 4096
# What it is: the magic, the slots, the gateway's name.
_IDENTITY = struct.Struct("<32sI200s")
# Which epoch it belongs to, since when, and what the counters stood at then; twice.
EPOCH = struct.Struct("<Iqqqq")
EPOCH_AT = (512, 576)
COUNTER = struct.Struct("<q")
ADMITTED_AT = 640
VOIDED_AT = 704
# What a host lacks for a while: no verdict on a file.
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOLCK, errno.EIO}


class JournalError(Exception):
    """A journal cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class JournalHead:
    """Whose journal it is, and what its process had counted in its last epoch."""

    gateway: str
    epoch_id: int
    started_us: int
    admitted: int
    voided: int


class JournalFile:
    """A locked and mapped journal, of this process or of a dead one."""

    def __init__(self, path: Path, descriptor: int, slots: int) -> None:
        self.path = path
        self.slots = slots
        self._descriptor = descriptor
        self.map = mmap.mmap(descriptor, HEAD_BYTES + slots * SLOT_BYTES)

    @classmethod
    def create(cls, folder: Path, *, gateway: str, slots: int) -> "JournalFile":
        """Make a file of this process in a folder, which is made if it is missing."""
        name = f"{gateway.replace('/', '_')[:100]}.{uuid4().hex}"
        building = folder / f".{name}"
        descriptor = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(building, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(descriptor, 0, HEAD_BYTES + slots * SLOT_BYTES)
        except OSError as error:
            if descriptor is not None:
                os.close(descriptor)
                building.unlink(missing_ok=True)
            raise JournalError(
                f"{folder}: {error.strerror}; give a folder of this host that the"
                f" gateway may write {slots * SLOT_BYTES:,} bytes to"
            ) from None
        made = cls(folder / f"{name}{SUFFIX}", descriptor, slots)
        identity = _IDENTITY.pack(MAGIC, slots, gateway.encode()[:200])
        made.map[: _IDENTITY.size + CHECKSUM.size] = checked(identity)
        building.rename(made.path)
        return made

    @classmethod
    def claim(cls, path: Path) -> "JournalFile | None":
        """Take over a dead process's file; None while its process lives.

        Raises `JournalError` for a file that is none of ours, and `OSError` where it is
        the host that cannot open it now.
        """
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _PASSING:
                raise
            raise JournalError(f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had the lock may have removed the file since it was opened.
            if not path.exists() or not os.path.samestat(
                path.stat(), os.fstat(descriptor)
            ):
                os.close(descriptor)
                return None
            return cls(path, descriptor, _slots_of(descriptor))
        except BlockingIOError:
            os.close(descriptor)
            return None
        except (JournalError, OSError, ValueError) as error:
            os.close(descriptor)
            if isinstance(error, OSError) and error.errno in _PASSING:
                raise
            raise JournalError(f"{path}: no journal of this version: {error}") from None

    def head(self, slots: Iterable[Slot] | None = None) -> JournalHead:
        """Return whose it is; of a process that had no epoch yet the id is 0.

        `slots` are those of `read`, where they were read already.
        """
        _, _, gateway = _IDENTITY.unpack_from(self.map)
        epochs = [
            EPOCH.unpack_from(self.map, at)
            for at in EPOCH_AT
            if _is_whole(self.map, at, EPOCH.size)
        ]
        epoch = max(epochs, default=(0, 0, 0, 0, 0))
        _, epoch_id, started_us, admitted_before, voided_before = epoch
        (admitted,) = COUNTER.unpack_from(self.map, ADMITTED_AT)
        (voided,) = COUNTER.unpack_from(self.map, VOIDED_AT)
        # A slot's own number is written before the counter, and a kill between the two
        # must not lose it.
        for slot in self.read() if slots is None else slots:
            admitted = max(admitted, slot.number)
            if slot.phase is Phase.VOIDED:
                voided = max(voided, slot.void_number)
        return JournalHead(
            gateway=gateway.rstrip(b"\0").decode(errors="replace"),
            epoch_id=epoch_id,
            started_us=started_us,
            admitted=admitted - admitted_before,
            voided=voided - voided_before,
        )

    def read(self, *, is_old_wanted: bool = False) -> list[Slot]:
        """Read every slot that may owe something, as of one instant.

        Of a copy: while a part of the map is looked at it cannot be closed, and its
        lock not be given back. What was committed long ago is not even looked at,
        unless it is wanted as well.
        """
        data = self.map[HEAD_BYTES:]
        if is_old_wanted:
            return read_slots(data)
        phases = data[PHASE_AT::SLOT_BYTES]
        words = memoryview(data).cast("q")
        committed_us = words[COMMITTED_AT // 8 :: SLOT_BYTES // 8].tolist()
        since_us = max(committed_us) - KEPT_US
        young = [
            data[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]
            for number, (phase, at_us) in enumerate(
                zip(phases, committed_us, strict=True)
            )
            # Of a voided request the same place holds its number.
            if phase == Phase.VOIDED
            or (phase != Phase.FREE and (not at_us or at_us >= since_us))
        ]
        return read_slots(b"".join(young))

    def sync(self) -> None:
        """Have the disk hold all that was written; to be called off the event loop.

        Linux writes a shared map's pages with the file; this, unlike `mmap.flush`, lets
        other threads run meanwhile.
        """
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give the lock back and leave the file to who comes next."""
        self.map.close()
        os.close(self._descriptor)

    def remove(self) -> None:
        """Give it up for good: nothing in it is owed to anybody."""
        self.path.unlink(missing_ok=True)
        self.close()


def journals_in(folder: Path) -> list[Path]:
    """Return the journals of a folder, of the living and of the dead."""
    try:
        return sorted(folder.glob(f"*{SUFFIX}"))
    except OSError:
        return []


def _slots_of(descriptor: int) -> int:
    head = os.pread(descriptor, _IDENTITY.size + CHECKSUM.size, 0)
    if len(head) < _IDENTITY.size + CHECKSUM.size or checked(head[:-4]) != head:
        raise JournalError("its head is not whole")
    magic, slots, _ = _IDENTITY.unpack_from(head)
    if magic.rstrip(b"\0") != MAGIC:
        raise JournalError("it is of another version")
    number: int = slots
    return number


def _is_whole(data: mmap.mmap, at: int, size: int) -> bool:
    piece = data[at : at + size + CHECKSUM.size]
    return checked(piece[:size]) == piece
