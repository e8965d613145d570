"""A hand on a gateway's pulse: how long its event loop takes to answer a probe.

A probe that does nothing but answer waits as long as the loop is held by others.
Failure: a probe that is not answered raises httpx's error when the block ends.
"""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

PAUSE_SECONDS = 0.01


@dataclass(frozen=True)
class Beat:
    """One answer of the probe, on the clock of `time.perf_counter`."""

    asked_at: float
    seconds: float


class Pulse:
    """Asks a probe on a thread of its own, and keeps how long each answer took."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feel, name="pulse")
        self._error: httpx.HTTPError | None = None
        self.beats: list[Beat] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _feel(self) -> None:
        try:
            with httpx.Client(trust_env=False) as client:
                while not self._over.wait(PAUSE_SECONDS):
                    asked = time.perf_counter()
                    client.get(self._url).raise_for_status()
                    self.beats.append(Beat(asked, time.perf_counter() - asked))
        except httpx.HTTPError as error:
            self._error = error
