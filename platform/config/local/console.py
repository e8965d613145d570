"""One readable stream of what all processes say, which can never hold them up.

Every line goes to the process's own log file, and to stdout behind its name. Stdout may
be a pipe that nobody reads: a thread writes it from a bounded queue, and what does not
fit is left out there. The files have everything, up to two files of `LOG_BYTES_MAX`.
"""

import contextlib
import os
import queue
import sys
import threading
from pathlib import Path

LINES_WAITING_MAX = 10_000
LOG_BYTES_MAX = 32 * 1024 * 1024
FLUSH_SECONDS_MAX = 1.0
NAME_WIDTH = 10
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


class Console:
    """The merged stream on stdout."""

    def __init__(self) -> None:
        self._lines: queue.Queue[bytes] = queue.Queue(LINES_WAITING_MAX)
        self._colours: dict[str, int] | None = {} if sys.stdout.isatty() else None
        threading.Thread(target=self._write, daemon=True).start()

    def say(self, text: str, *, name: str = "tollgate") -> None:
        """Print a line behind the name of who says it."""
        label = f"{name:<{NAME_WIDTH}} |"
        if self._colours is not None:
            colour = self._colours.setdefault(
                name, _COLOURS[len(self._colours) % len(_COLOURS)]
            )
            label = f"\x1b[{colour}m{label}\x1b[0m"
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(f"{label} {text}\n".encode())

    def flush(self) -> None:
        """Wait for what was said to be written, for a moment at most."""
        done = threading.Thread(target=self._lines.join, daemon=True)
        done.start()
        done.join(FLUSH_SECONDS_MAX)

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            with contextlib.suppress(OSError):
                os.write(sys.stdout.fileno(), line)
            self._lines.task_done()


class LogFile:
    """The log of one process; the one before it is kept beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")

    def write(self, line: bytes) -> None:
        """Append a line, beginning a new file when this one is full."""
        if self._file.tell() > LOG_BYTES_MAX:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab")
        self._file.write(line)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
