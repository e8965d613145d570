"""Find the smallest factors that bound what engines counted, and add the margin.

Of two prompts of one family, the difference in tokens over the difference in the
measure is a factor; the largest one found holds. What then is left over in single
prompts is the constants'. Pure.

Failure: of what no engine has counted, such as chats where it has no template, the
factors are the default ones.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from inference.openai.prompt_bound import DEFAULT, MILLI, Measures, PromptBound

# A tenth more than was seen, and so many tokens of what is constant.
MARGIN_PERCENT = 10
MARGIN_TOKENS = 16
_MARGIN_EACH = 2
# A tokenizer that takes nothing apart makes one token of a byte at most.
_ONE_A_BYTE_MILLI = 1000

Factor = Literal[
    "per_byte_milli", "per_structure_byte_milli", "per_message", "per_tool"
]
# What each weighs. In this order, each explains what those before it leave over.
_MEASURES: Mapping[Factor, str] = {
    "per_byte_milli": "text_bytes",
    "per_message": "messages",
    "per_structure_byte_milli": "structure_bytes",
    "per_tool": "tools",
}


@dataclass(frozen=True, slots=True)
class Observation:
    """How many tokens an engine made of a prompt; `family` also names the engine."""

    family: str
    measures: Measures
    tokens: int


def fit(seen: Sequence[Observation]) -> PromptBound:
    """Return factors that bound every observation, with the margin."""
    growths = list(_growths(seen))
    exact = PromptBound(0, 0, 0, 0, 0, 0)
    for factor in _MEASURES:
        exact = _steepest(factor, growths, exact)
    return _with_constants(_with_margin(exact), seen)


def slack(factors: PromptBound, seen: Iterable[Observation]) -> list[int]:
    """Return by how many tokens the bound of each observation is above it."""
    return [factors.tokens(each.measures) - each.tokens for each in seen]


def _growths(seen: Iterable[Observation]) -> Iterable[Observation]:
    """Return what the long prompt of each family has more than the short one."""
    families: dict[str, list[Observation]] = defaultdict(list)
    for each in seen:
        families[each.family].append(each)
    for family, (first, *others) in families.items():
        for other in others:
            pairs = zip(other.measures, first.measures, strict=True)
            grown = Measures(*(longer - shorter for longer, shorter in pairs))
            yield Observation(family, grown, other.tokens - first.tokens)


def _grown(measures: Measures) -> Factor:
    """Say whose growth it is: of what grows with something else, the something."""
    if measures.tools:
        return "per_tool"
    if measures.structure_bytes:
        return "per_structure_byte_milli"
    return "per_message" if measures.messages else "per_byte_milli"


def _steepest(
    factor: Factor, growths: Iterable[Observation], known: PromptBound
) -> PromptBound:
    """Add the factor that explains the steepest growth which is its own."""
    unit = MILLI if factor.endswith("milli") else 1
    found = [
        -(-(each.tokens - known.tokens(each.measures)) * unit // amount)
        for each in growths
        if _grown(each.measures) == factor
        and (amount := getattr(each.measures, _MEASURES[factor])) > 0
    ]
    value = max(0, *found) if found else getattr(DEFAULT, factor)
    changed: dict[str, Any] = {factor: value}
    return replace(known, **changed)


def _with_margin(exact: PromptBound) -> PromptBound:
    per_byte = _more(exact.per_byte_milli)
    if exact.per_byte_milli <= _ONE_A_BYTE_MILLI:
        per_byte = min(per_byte, _ONE_A_BYTE_MILLI)
    return replace(
        exact,
        per_byte_milli=per_byte,
        # Structure holds text too.
        per_structure_byte_milli=max(_more(exact.per_structure_byte_milli), per_byte),
        per_message=_more(exact.per_message) + _MARGIN_EACH,
        per_tool=_more(exact.per_tool) + _MARGIN_EACH,
    )


def _with_constants(factors: PromptBound, seen: Sequence[Observation]) -> PromptBound:
    """Raise the constants until nothing that was seen is above its bound."""
    texts = [each for each in seen if not each.measures.chats]
    if (short := _most_short(factors, texts)) is not None and short > 0:
        factors = replace(factors, per_message=factors.per_message + _more(short))
    chats = [each for each in seen if each.measures.chats and not each.measures.tooled]
    short = _most_short(factors, chats)
    base = DEFAULT.base if short is None else _more(short) + MARGIN_TOKENS
    factors = replace(factors, base=base)
    tooled = [each for each in seen if each.measures.tooled]
    short = _most_short(factors, tooled)
    base_tools = DEFAULT.base_tools if short is None else _more(short) + MARGIN_TOKENS
    return replace(factors, base_tools=base_tools)


def _most_short(factors: PromptBound, seen: Sequence[Observation]) -> int | None:
    """Return by how much the worst bound is too low; None where nothing was seen."""
    return max(0, *(-each for each in slack(factors, seen))) if seen else None


def _more(value: int) -> int:
    return -(-value * (100 + MARGIN_PERCENT) // 100)
