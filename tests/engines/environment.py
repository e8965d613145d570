"""Build the environments of the real engines by hand: both, or those that are named.

`python -m tests.engines.environment [vllm] [llamacpp]`, with any Python 3.11. The
journeys build what they need by themselves; this tells how it goes, and has no limit.

Failure: one line each for what cannot be had here, and exit status 1.
"""

import os
import sys
from collections.abc import Callable, Mapping

from tests.engines.building import EnvironmentUnavailable, say
from tests.engines.llamacpp_environment import ensure_llamacpp
from tests.engines.vllm_environment import ensure_vllm

ENVIRONMENTS: Mapping[str, Callable[[], object]] = {
    "vllm": ensure_vllm,
    "llamacpp": ensure_llamacpp,
}


def main(names: list[str]) -> int:
    """Build what is named; return the exit status."""
    if unknown := set(names) - set(ENVIRONMENTS):
        sys.stderr.write(f"engine environment: not known: {', '.join(unknown)}\n")
        return 2
    status = 0
    for name in names or _needed():
        try:
            say(f"ready: {ENVIRONMENTS[name]()}")
        except (EnvironmentUnavailable, OSError) as error:
            sys.stderr.write(f"engine environment: {error}\n")
            status = 1
    return status


def _needed() -> list[str]:
    """Return all of them but a vLLM where another is to be used."""
    given = {"vllm"} if os.environ.get("ENGINE_URL") else set()
    return [name for name in ENVIRONMENTS if name not in given]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
