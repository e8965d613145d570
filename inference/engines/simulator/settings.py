"""What a simulator is told: where it listens, and how it behaves.

`Behaviour` is the part that may be exchanged while the process runs; a request keeps
the behaviour it started with. Failure: a value out of range raises `SettingsError`
with one sentence, before anything has changed.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from inference.engines.simulator.faults import FAULTS

_DURATIONS = {
    "first_token_ms": "milliseconds",
    "inter_token_ms": "milliseconds",
    "prefill_us_per_token": "microseconds",
}
# A context of two holds the smallest exchange: one prompt token, one answered.
_LEAST = {
    "answer_tokens": 1,
    "answer_tokens_max": 0,
    "context_tokens": 2,
    "sequences_max": 0,
    "waiting_max": 0,
    "prefix_cache_blocks": 0,
    "fault_after_tokens": 0,
    "fault_times": 0,
}


class SettingsError(ValueError):
    """A setting that the simulator cannot follow."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How answers are made, from the next request on.

    `answer_tokens` is the length of an answer whose request names no limit; none is
    longer than `answer_tokens_max` (0: no such bound), whatever was asked for.
    `force_include_usage` stands for vLLM's `--enable-force-include-usage`: every
    stream reports running and final usage, asked for or not. `finish_with_text` lets
    the finish chunk carry the last token, as vLLM does when it stops for length.

    `sequences_max` choices run at once and `waiting_max` may wait for a place (0: any
    number). `prefix_cache_blocks` of prompts are remembered (0: none), and each token
    of a prompt that was not delays the first token by `prefill_us_per_token`.

    `fault` is one of `faults.FAULTS` or empty, `fault_after_tokens` when it strikes,
    `fault_times` how many more requests it meets (0: every one).
    """

    model: str = "sim"
    first_token_ms: float = 0.0
    inter_token_ms: float = 0.0
    answer_tokens: int = 64
    answer_tokens_max: int = 0
    context_tokens: int = 32_768
    force_include_usage: bool = False
    finish_with_text: bool = False
    prefill_us_per_token: float = 0.0
    sequences_max: int = 0
    waiting_max: int = 0
    prefix_cache_blocks: int = 0
    fault: str = ""
    fault_after_tokens: int = 0
    fault_times: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be followed, types included: values may come from JSON."""
        if type(self.model) is not str or not self.model:
            raise SettingsError("model must be a non-empty string")
        for name, unit in _DURATIONS.items():
            if not _is_duration(getattr(self, name)):
                raise SettingsError(f"{name} must be a number of {unit}, 0 or more")
        for name, least in _LEAST.items():
            if type(getattr(self, name)) is not int or getattr(self, name) < least:
                raise SettingsError(f"{name} must be a whole number, {least} or more")
        for name in ("force_include_usage", "finish_with_text"):
            if type(getattr(self, name)) is not bool:
                raise SettingsError(f"{name} must be true or false")
        if self.fault not in ("", *FAULTS):
            raise SettingsError(f"fault must be empty or one of {', '.join(FAULTS)}")

    def changed(self, changes: Mapping[str, Any]) -> "Behaviour":
        """Return this behaviour with `changes` made; raises `SettingsError`."""
        unknown = sorted(changes.keys() - {known.name for known in fields(self)})
        if unknown:
            raise SettingsError(f"no such setting: {', '.join(unknown)}")
        return replace(self, **changes)

    def after_a_fault(self) -> "Behaviour":
        """Return the behaviour for the request after one that met the fault."""
        if self.fault_times == 0:
            return self
        left = self.fault_times - 1
        return replace(self, fault=self.fault if left else "", fault_times=left)

    def as_json(self) -> dict[str, Any]:
        """Return the settings as `/simulator/settings` shows them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """One process: its address, its key (none: open to all), its first behaviour."""

    host: str = "127.0.0.1"
    port: int = 9000
    api_key: str | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)


def _is_duration(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf  # type: ignore[operator]
