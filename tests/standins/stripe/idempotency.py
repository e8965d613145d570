"""Idempotency keys as Stripe keeps them: the first result is replayed, errors too.

A key is bound to its request's fingerprint and pruned after 24 hours. What was refused
before it ran leaves the key free.
"""

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import Any

from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.errors import ApiError

KEY_LIFE_S = 24 * 3600
KEY_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Stored:
    """The first result of a key."""

    fingerprint: str
    status: int
    packed: bytes
    at: float


class KeyStore:
    """The results by key, and the keys whose request is still running."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stored: dict[str, Stored] = {}
        self._running: set[str] = set()

    def begin(self, key: str, fingerprint: str) -> Stored | None:
        """Return what to replay, or claim the key until `end` is called."""
        if len(key) > KEY_CHARS_MAX:
            raise ApiError(400, "The idempotency key is too long.", stored=False)
        with self._lock:
            if key in self._running:
                raise ApiError(
                    409,
                    "There is currently another in-progress request using this key.",
                    code="idempotency_key_in_use",
                    stored=False,
                )
            found = self._stored.get(key)
            if found is not None and self._clock.now() - found.at >= KEY_LIFE_S:
                del self._stored[key]
                found = None
            if found is None:
                self._running.add(key)
            elif found.fingerprint != fingerprint:
                raise ApiError(
                    400,
                    "Keys for idempotent requests can only be used with the same"
                    f" parameters they were first used with. Try another than '{key}'.",
                    kind="idempotency_error",
                    stored=False,
                )
            return found

    def end(self, key: str, result: Stored | None) -> None:
        """Free the key, with a result to replay from now on or without."""
        with self._lock:
            self._running.discard(key)
            if result is not None:
                self._stored[key] = result

    def kept(self) -> dict[str, Stored]:
        """Return the results by key, without those that are too old to replay."""
        oldest = self._clock.now() - KEY_LIFE_S
        with self._lock:
            return {key: row for key, row in self._stored.items() if row.at > oldest}

    def take_up(self, kept: dict[str, Stored]) -> None:
        """Replay the results of an earlier stand-in."""
        with self._lock:
            self._stored.update(kept)


def fingerprint(method: str, path: str, params: dict[str, Any]) -> str:
    """Return a mark that two requests share only when they ask for the same."""
    text = json.dumps([method, path, params], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
