"""Install the peers of the bench: all, or those that are named.

`python -m tests.bench.peers install [litellm sglang-router tensorzero vllm-router]`.
Failure: one line each for what cannot be had here, and exit status 1.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.bench.peers.environments import PEERS, install
from tests.engines.building import EnvironmentUnavailable


def main(argv: Sequence[str]) -> int:
    """Install what is named; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers")
    parser.add_argument("act", choices=["install"])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(PEERS))
    options = parser.parse_args(argv)
    if unknown := set(options.names) - set(PEERS):
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    status = 0
    for name in options.names or PEERS:
        try:
            sys.stdout.write(f"ready: {install(name)}\n")
        except (EnvironmentUnavailable, OSError) as error:
            sys.stderr.write(f"{name}: {error}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
