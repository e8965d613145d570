"""Which requests of this process hold which slots, and until when.

A slot is a lease: it lapses unless it is renewed, so one that nobody ends is free again
after `SLOT_US`. The book is what a process renews in its store, and what counts where
it has none, or where that is away.

Failure: none. Owns: the book, by request and by key.
"""

from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from inference.limiting.limiter import SLOT_US
from kit.clock import boot_us


class _Held:
    """The slots of one key: until when each request holds one."""

    __slots__ = ("expires_us", "first_us")

    def __init__(self) -> None:
        self.expires_us: dict[UUID, int] = {}
        # No slot lapses before; so most of the time there is nothing to look for.
        self.first_us = 0

    def lapse(self, now_us: int) -> None:
        """Forget the slots that were not renewed."""
        if now_us < self.first_us:
            return
        expires = {id_: at for id_, at in self.expires_us.items() if at > now_us}
        self.expires_us = expires
        self.first_us = min(expires.values(), default=0)


class SlotBook:
    """The slots that this process's requests hold."""

    def __init__(self, *, clock: Callable[[], int] = boot_us) -> None:
        self._clock = clock
        self._keys: dict[UUID, tuple[str, ...]] = {}
        self._held: dict[str, _Held] = {}
        self._kept: set[UUID] = set()

    def __len__(self) -> int:
        """Return the number of requests that hold slots."""
        return len(self._keys)

    def count(self, key: str) -> int:
        """Return how many slots of a key are held."""
        held = self._held.get(key)
        if held is None:
            return 0
        held.lapse(self._clock())
        return len(held.expires_us)

    def add(self, request_id: UUID, keys: tuple[str, ...]) -> None:
        """Note that a request holds a slot of each key."""
        if not keys:
            return
        self._keys[request_id] = keys
        self._hold(request_id, keys, self._clock() + SLOT_US)

    def keep(self, ids: Iterable[UUID]) -> None:
        """Renew the slots of these until they are ended, whether or not they run."""
        self._kept.update(ids)

    def end(self, request_id: UUID) -> None:
        """Free the slots of a request; idempotent."""
        self._kept.discard(request_id)
        for key in self._keys.pop(request_id, ()):
            held = self._held.get(key)
            if held is not None:
                held.expires_us.pop(request_id, None)
                if not held.expires_us:
                    del self._held[key]

    def renew(self, running: Iterable[UUID]) -> None:
        """Hold the slots of these for longer, and forget what has lapsed."""
        now = self._clock()
        expires = now + SLOT_US
        for request_id in (*running, *self._kept):
            # A machine that slept has lost the slots of requests that still run.
            if keys := self._keys.get(request_id):
                self._hold(request_id, keys, expires)
        for held in self._held.values():
            held.lapse(now)
        gone = [
            request_id
            for request_id, keys in self._keys.items()
            if not any(self._holds(request_id, key) for key in keys)
        ]
        for request_id in gone:
            self.end(request_id)
        self._held = {key: held for key, held in self._held.items() if held.expires_us}

    def by_key(self) -> Mapping[str, list[UUID]]:
        """Return who holds slots that have not lapsed, by key."""
        now = self._clock()
        found: dict[str, list[UUID]] = {}
        for key, held in self._held.items():
            held.lapse(now)
            if held.expires_us:
                found[key] = list(held.expires_us)
        return found

    def _hold(self, request_id: UUID, keys: tuple[str, ...], expires_us: int) -> None:
        for key in keys:
            held = self._held.get(key)
            if held is None:
                held = self._held[key] = _Held()
            if not held.expires_us:
                held.first_us = expires_us
            held.expires_us[request_id] = expires_us

    def _holds(self, request_id: UUID, key: str) -> bool:
        held = self._held.get(key)
        return held is not None and request_id in held.expires_us
