"""Is the process beside me well? One question for whatever runs the processes.

    python -m config.health gateway | web --port 8001 | worker | beat --schedule FILE

The gateway says that it lives, not that it is ready: one that waits for PostgreSQL
keeps what it has to commit, and must not be killed for it. The web process answers a
page through all of Django, the worker a ping through the broker, and beat writes its
schedule down every few minutes.

Failure: exit status 1 with one line. Owns nothing.
"""

import argparse
import http.client
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from config.env import GatewaySettings, WebSettings, load
from config.local.children import LOOPBACK

ANSWER_SECONDS_MAX = 5.0
# Beat writes every three minutes; a slow disk or one lost turn is no illness.
SCHEDULE_SECONDS_MAX = 600.0


class IllError(Exception):
    """The process is not well; the text is one line that says how."""


def gateway() -> None:
    """Ask the gateway whether it lives."""
    _get("/healthz", port=load(GatewaySettings).port, host="localhost")


def web(*, port: int) -> None:
    """Ask the web process for a page that takes all of Django and no database."""
    first, _, _ = load(WebSettings).allowed_hosts.partition(",")
    # A pattern such as .example.com stands for the domain itself too.
    _get("/accounts/login/", port=port, host=first.strip().lstrip(".*") or "localhost")


def worker() -> None:
    """Become celery's own question to the worker of this host."""
    name = f"celery@{socket.gethostname()}"
    question = ("inspect", "ping", "--destination", name, "--timeout", "5")
    command = ("celery", "--quiet", "-A", "config.celery", *question)
    os.execv(sys.executable, (sys.executable, "-m", *command))  # noqa: S606


def beat(*, schedule: Path, now_s: float) -> None:
    """See that beat wrote its schedule down lately."""
    # What the file is called in the end is the business of the dbm behind it.
    written = [
        file.stat().st_mtime for file in schedule.parent.glob(f"{schedule.name}*")
    ]
    if not written:
        raise IllError(f"there is no {schedule}")
    silent_s = now_s - max(written)
    if silent_s > SCHEDULE_SECONDS_MAX:
        raise IllError(f"{schedule} was last written {silent_s:.0f} s ago")


def main(argv: Sequence[str]) -> int:
    """Ask as `argv` says and return the exit status."""
    options = _parser().parse_args(argv)
    questions: dict[str, Callable[[], None]] = {
        "gateway": gateway,
        "web": lambda: web(port=options.port),
        "worker": worker,
        "beat": lambda: beat(schedule=options.schedule, now_s=time.time()),
    }
    try:
        questions[options.process]()
    except IllError as ill:
        sys.stderr.write(f"tollgate: {options.process}: {ill}\n")
        return 1
    return 0


def _get(path: str, *, port: int, host: str) -> None:
    """Raise `IllError` unless the port answers 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", path, headers={"host": host})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise IllError(f"port {port}: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()
    if status != http.client.OK:
        raise IllError(f"{path} answers {status}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m config.health")
    processes = parser.add_subparsers(dest="process", required=True)
    processes.add_parser("gateway")
    processes.add_parser("web").add_argument("--port", type=int, default=8001)
    processes.add_parser("worker")
    processes.add_parser("beat").add_argument("--schedule", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
