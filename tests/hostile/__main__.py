"""`make hostile`: each crowd beside healthy traffic, and what that felt of it.

Exit status 1 when a healthy stream failed. Times are as good as the machine is calm.
"""

import argparse
import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence

from tests.hostile.crowds import CROWDS, Met, crowd
from tests.hostile.healthy import Felt, traffic
from tests.hostile.stage import Target, staged

CALM_S = 3.0
_HEADING = (
    f"{'crowd':18} {'met':14}{'p50 ms':>16}  {'p99 ms':>16}{'answered in':>14}"
    f"  {'RSS in MiB':>13}{'failed':>8}"
)


def main(argv: Sequence[str]) -> int:
    """Run as `argv` says, print a line for each crowd, return the exit status."""
    options = _parser().parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = min(options.connections, hard - 500)
    _say(f"{connections} slow connections of {options.connections} (limit {hard})")
    _say(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    _say(_HEADING)
    failed = 0
    with staged() as target:
        for name in options.crowds or CROWDS:
            failed += _show(name, target, options, connections)
    return 1 if failed else 0


def _show(
    name: str, target: Target, options: argparse.Namespace, connections: int
) -> int:
    def felt() -> Felt:
        pace = {"seconds": options.seconds, "per_second": options.rate}
        return asyncio.run(traffic(target, **pace))

    # The crowd before has left all at once: that is another matter.
    time.sleep(CALM_S)
    before, rss_before = felt(), target.rss_mib
    with crowd(name, target, connections=connections) as end:
        during, rss = felt(), target.rss_mib
        met = end()
    figures = [
        f"{before.percentile(share):7.1f} > {during.percentile(share):6.1f}"
        for share in (0.5, 0.99)
    ]
    memory = f"{rss_before:5.0f} > {rss:5.0f}"
    broken = before.failed + during.failed
    _say(
        f"{name:18} {_met(met):14}{'  '.join(figures)}{_refused(met):>14}"
        f"  {memory}{broken:8}"
    )
    return broken


def _met(met: Met) -> str:
    if met.connected:
        return f"{met.connected} held"
    return " ".join(f"{count}x {status}" for status, count in met.statuses.items())


def _refused(met: Met) -> str:
    if not met.answers_ms:
        return ""
    ordered = sorted(met.answers_ms)
    return f"{ordered[len(ordered) // 2]:.0f}/{ordered[-1]:.0f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make hostile", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("crowds", nargs="*", metavar="CROWD", help=", ".join(CROWDS))
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
