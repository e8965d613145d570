"""Processes that take from one rule as fast as they can, and how much they get.

    python -m tests.inference.limiting.bursts --runs 20

Each run sends a burst of ten times the limit from four processes at a real Valkey. The
time of the burst is told by the store: between its first take and its last answer at
most limit + floor(limit x time / window) may pass.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from inference.limiting.connection import Waiting
from inference.limiting.limiter import Charge, Rule, Unit, rule_key
from inference.limiting.resp import encode
from inference.limiting.valkey import GREETING, ValkeyLimiter
from tests.inference.limiting.store import Store

PROCESSES = 4
AT_ONCE = 64
# Long: what is measured is the limit and not how busy the machine is.
PATIENT_S = 30.0


@dataclass(frozen=True, slots=True)
class Burst:
    """What passed in how long."""

    limit: int
    window_us: int
    allowed: int
    lasted_us: int

    @property
    def expected(self) -> int:
        """Return how many may pass, to one."""
        return self.limit + self.limit * self.lasted_us // self.window_us


def burst(store: Store, *, name: str, limit: int, window_us: int) -> Burst:
    """Send a burst from several processes, released together."""
    each = 10 * limit // PROCESSES
    wanted = [store.url, name, str(limit), str(window_us), str(each)]
    here = str(Path(__file__).resolve().parents[3])
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", _SENDER, here, *wanted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    for sender in senders:
        assert sender.stdout is not None
        assert sender.stdout.readline() == b"ready\n"
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write(b"go\n")
        sender.stdin.flush()
    answers = [json.loads(sender.communicate()[0]) for sender in senders]
    allowed, began_us, ended_us = zip(*answers, strict=True)
    return Burst(limit, window_us, sum(allowed), max(ended_us) - min(began_us))


_SENDER = """
import sys
sys.path[:0] = [sys.argv[1] + "/platform", sys.argv[1]]
from tests.inference.limiting.bursts import send
send(*sys.argv[2:])
"""


def send(url: str, name: str, limit: str, window_us: str, times: str) -> None:
    """Take so many times, once told to begin; print how often it passed, and when."""
    rule = Rule(rule_key(1, name), Unit.REQUESTS, int(limit), int(window_us))
    print(json.dumps(asyncio.run(_send(url, Charge(rule), int(times)))))  # noqa: T201


async def _send(url: str, charge: Charge, times: int) -> tuple[int, int, int]:
    client = StoreClient(parse_address(url), deadline_s=PATIENT_S, greeting=GREETING)
    assert await client.connected(seconds_max=PATIENT_S)
    limiter = ValkeyLimiter(client)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    began_us = await _now_us(client)
    allowed = 0
    for _ in range(0, times, AT_ONCE):
        verdicts = await asyncio.gather(
            *(limiter.take(uuid4(), (charge,)) for _ in range(AT_ONCE))
        )
        allowed += sum(verdict.allowed for verdict in verdicts)
    ended_us = await _now_us(client)
    await limiter.close()
    return allowed, began_us, ended_us


async def _now_us(client: StoreClient) -> int:
    """Return the store's time."""
    waiting: Waiting = client.loop.create_future()
    client.send(encode("TIME"), waiting)
    reply = await waiting
    assert isinstance(reply, list)
    seconds, us = (int(str(part, "ascii")) for part in reply if isinstance(part, bytes))
    return seconds * 1_000_000 + us


def main() -> None:
    """Run bursts and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        for number in range(runs):
            done = burst(store, name=f"run-{number}", limit=1000, window_us=60_000_000)
            print(done, done.allowed - done.expected)  # noqa: T201


if __name__ == "__main__":
    main()
