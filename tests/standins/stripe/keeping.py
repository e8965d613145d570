"""Keep a stand-in's accounts in a file, so that a killed one comes back knowing them.

What has been answered is in the file: it is written, whole or not at all, before the
answer goes out. Once writing takes long, it is done at most a small part of the time,
and a killed stand-in loses what came since; tests that need more use none of this.

Failure: a file that cannot be read is put aside, and the stand-in begins empty. Owns:
the file. It is pickled, so it must be as safe from others as the program itself.
"""

import os
import pickle
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.standins.stripe.account import Account
from tests.standins.stripe.engine import Engine
from tests.standins.stripe.hooks.deliverer import Delivery
from tests.standins.stripe.idempotency import Stored

# Writing that takes longer than this waits for twenty times as long in between.
QUICK_S = 0.05
PAUSE_FACTOR = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in the file."""

    added_s: float
    accounts: list[Account]
    keys: list[dict[str, Stored]]
    deliveries: list[tuple[float, Delivery]]


class Keeper:
    """Writes what an engine holds to one file, and reads it back."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._lock = threading.Lock()
        self._not_before = 0.0

    def restore(self) -> None:
        """Take up what an earlier stand-in left, and keep everything from now on."""
        kept = self._read()
        if kept is not None:
            self._engine.take_up(kept.added_s, kept.accounts, kept.keys)
            self._engine.hooks.take_up(kept.deliveries)
        self._engine.keep = self.keep

    def keep(self, *, at_once: bool = False) -> None:
        """Write what has changed, unless writing takes so long that it must wait."""
        engine = self._engine
        with self._lock:
            began = time.monotonic()
            if not engine.is_changed or (began < self._not_before and not at_once):
                return
            with engine.standing_still():
                engine.is_changed = False
                text = pickle.dumps(
                    Kept(
                        added_s=engine.clock.added_s,
                        accounts=[row.account for row in engine.merchants.rows],
                        keys=[row.keys.kept() for row in engine.merchants.rows],
                        deliveries=engine.hooks.kept(),
                    )
                )
            self._write(text)
            took_s = time.monotonic() - began
            if took_s > QUICK_S:
                self._not_before = began + took_s * PAUSE_FACTOR

    def _write(self, text: bytes) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
        fresh.replace(self._path)

    def _read(self) -> Kept | None:
        if not self._path.exists():
            return None
        try:
            kept = pickle.loads(self._path.read_bytes())  # noqa: S301 - our own file
        except Exception as error:  # whatever a file of another version raises
            aside = self._path.with_name(f"{self._path.name}.unreadable")
            self._path.replace(aside)
            sys.stderr.write(f"cannot read {self._path}, see {aside}: {error}\n")
            return None
        return kept if isinstance(kept, Kept) else None
