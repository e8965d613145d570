"""The simulator's command line, for `python -m` and for a management command alike.

Failure: a value out of range ends the process with one line and status 2.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields

from inference.engines.simulator.faults import FAULTS
from inference.engines.simulator.server import run
from inference.engines.simulator.settings import (
    Behaviour,
    SettingsError,
    SimulatorSettings,
)

_DEFAULTS = Behaviour()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every option of the simulator to `parser`."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=int, default=9000, help="0 takes a free one (default: 9000)"
    )
    parser.add_argument("--api-key", help="ask for this key under /v1, as vLLM does")
    parser.add_argument(
        "--model", default=_DEFAULTS.model, help="the served model's name"
    )
    parser.add_argument(
        "--first-token-ms",
        type=float,
        default=_DEFAULTS.first_token_ms,
        help="time from a request to its first token (default: %(default)s)",
    )
    parser.add_argument(
        "--inter-token-ms",
        type=float,
        default=_DEFAULTS.inter_token_ms,
        help="time between tokens; 0 is as fast as it goes (default: %(default)s)",
    )
    parser.add_argument(
        "--answer-tokens",
        type=int,
        default=_DEFAULTS.answer_tokens,
        help="length of an answer whose request names no limit (default: %(default)s)",
    )
    parser.add_argument(
        "--answer-tokens-max",
        type=int,
        default=_DEFAULTS.answer_tokens_max,
        help="longest answer, however much is asked for; 0 is none (default:"
        " %(default)s)",
    )
    parser.add_argument(
        "--context-tokens",
        type=int,
        default=_DEFAULTS.context_tokens,
        help="prompt and answer together (default: %(default)s)",
    )
    parser.add_argument(
        "--force-include-usage",
        action="store_true",
        help="report running and final usage in every stream, asked for or not",
    )
    parser.add_argument(
        "--finish-with-text",
        action="store_true",
        help="let the finish chunk carry the last token",
    )
    _add_limits(parser)
    _add_faults(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sequences-max",
        type=int,
        default=_DEFAULTS.sequences_max,
        help="choices that run at once; 0 is any number (default: %(default)s)",
    )
    parser.add_argument(
        "--waiting-max",
        type=int,
        default=_DEFAULTS.waiting_max,
        help="choices that may wait; 0 is any number (default: %(default)s)",
    )
    parser.add_argument(
        "--prefix-cache-blocks",
        type=int,
        default=_DEFAULTS.prefix_cache_blocks,
        help="blocks of 16 tokens to remember; 0 is none (default: %(default)s)",
    )
    parser.add_argument(
        "--prefill-us-per-token",
        type=float,
        default=_DEFAULTS.prefill_us_per_token,
        help="delay of the first token by each token not cached (default: %(default)s)",
    )


def _add_faults(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fault",
        default=_DEFAULTS.fault,
        metavar="NAME",
        help=f"go wrong: one of {', '.join(FAULTS)}",
    )
    parser.add_argument(
        "--fault-after-tokens",
        type=int,
        default=_DEFAULTS.fault_after_tokens,
        help="when a stream's fault strikes (default: %(default)s)",
    )
    parser.add_argument(
        "--fault-times",
        type=int,
        default=_DEFAULTS.fault_times,
        help="how many requests meet the fault; 0 is every one (default: %(default)s)",
    )


def settings_from(options: argparse.Namespace) -> SimulatorSettings:
    """Return the settings that parsed `options` ask for; raises `SettingsError`."""
    return SimulatorSettings(
        host=options.host,
        port=options.port,
        api_key=options.api_key,
        behaviour=Behaviour(
            **{each.name: getattr(options, each.name) for each in fields(Behaviour)}
        ),
    )


def main(argv: Sequence[str]) -> int:
    """Run the simulator with the options in `argv`; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.engines.simulator",
        description="A simulated vLLM server that answers in numbered tokens.",
    )
    add_arguments(parser)
    try:
        run(settings_from(parser.parse_args(argv)))
    except (SettingsError, OSError) as refused:
        sys.stderr.write(f"simulator: {refused}\n")
        return 2
    return 0
