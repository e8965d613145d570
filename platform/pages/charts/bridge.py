"""A bridge: from an opening balance over what moved it to the closing one. Pure.

Each step is a floating bar from where the one before ended, so that the eye follows the
sum. A closing that is not what opening and steps come to is refused: a wrong bridge is
never drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pages.charts.lengths import percent, seen
from pages.charts.measure import Measure
from pages.charts.twin import Twin, twin
from pages.design.cells import words


@dataclass(frozen=True, slots=True)
class Step:
    """What moved the balance: more where it is positive, less where negative."""

    name: str
    value: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class DrawnStep:
    """A row of the bridge; `way` is `total`, `rise`, `fall` or `none`."""

    name: str
    x: str
    width: str
    text: str
    exact: str
    way: str
    address: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """The drawing, the sentence that tells what it shows, and its twin."""

    name: str
    title: str
    sentence: str
    steps: list[DrawnStep]
    zero: str
    twin: Twin


def bridge(
    name: str,
    title: str,
    measure: Measure,
    *,
    opening: Step,
    steps: Sequence[Step],
    closing: Step,
    sentence: str = "",
) -> Bridge:
    """Draw a bridge; raises `ValueError` where it does not add up."""
    reached = [opening.value]
    for step in steps:
        reached.append(reached[-1] + step.value)
    if reached[-1] != closing.value:
        off = closing.value - reached[-1]
        raise ValueError(f"{title}: opening and steps miss the closing by {off}")
    low, high = min(0, *reached), max(0, *reached)
    whole = high - low
    drawn = [_step(opening, 0, opening.value, low, whole, measure, is_total=True)]
    drawn += [
        _step(step, start, end, low, whole, measure)
        for step, start, end in zip(steps, reached, reached[1:], strict=False)
    ]
    drawn.append(_step(closing, 0, closing.value, low, whole, measure, is_total=True))
    rows = [
        [words(step.name, address=step.address), measure.cell(step.value)]
        for step in (opening, *steps)
    ]
    last = [words(closing.name, address=closing.address), measure.cell(closing.value)]
    return Bridge(
        name=name,
        title=title,
        sentence=sentence
        or f"From {measure.brief(opening.value)} to {measure.brief(closing.value)}.",
        steps=drawn,
        zero=percent(-low, whole),
        twin=twin(title, ["Movement", measure.unit], rows, [last]),
    )


def _step(
    step: Step,
    start: int,
    end: int,
    low: int,
    whole: int,
    measure: Measure,
    *,
    is_total: bool = False,
) -> DrawnStep:
    left, right = min(start, end), max(start, end)
    sign = "+" if step.value > 0 and not is_total else ""
    way = "total" if is_total else "rise" if step.value > 0 else "fall"
    return DrawnStep(
        name=step.name,
        x=percent(left - low, whole),
        width=seen(right - left, whole),
        text=f"{sign}{measure.brief(step.value)}".replace("-", "\N{MINUS SIGN}"),
        exact=measure.text(step.value),
        way=way if step.value or is_total else "none",
        address=step.address,
    )
