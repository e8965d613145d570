"""One row of 100 %, cut by age: how much of what is owed is how late. Pure.

One hue from light to dark, the oldest last; every part stands below with its amount and
share, so that nothing depends on telling shades apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pages.charts.lengths import percent
from pages.charts.measure import Measure
from pages.charts.twin import Twin, twin
from pages.design.cells import percent as percent_cell
from pages.design.cells import percent_text, words

STEPS_MAX = 5


@dataclass(frozen=True, slots=True)
class Age:
    """A bucket of age; `address` leads to what is in it."""

    name: str
    value: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class DrawnAge:
    """A part of the row; `step` 1 is the youngest."""

    name: str
    step: int
    x: str
    width: str
    text: str
    exact: str
    share: str
    address: str


@dataclass(frozen=True, slots=True)
class Ageing:
    """The drawing, the sentence that tells what it shows, and its twin."""

    name: str
    title: str
    sentence: str
    ages: list[DrawnAge]
    twin: Twin


def ageing(
    name: str,
    title: str,
    measure: Measure,
    ages: Sequence[Age],
    *,
    sentence: str = "",
) -> Ageing:
    """Draw ages, the youngest first; what is below zero is listed and not drawn."""
    if len(ages) > STEPS_MAX:
        raise ValueError(f"{len(ages)} ages: there are {STEPS_MAX} shades")
    drawn_whole = sum(max(age.value, 0) for age in ages)
    total = sum(age.value for age in ages)
    drawn: list[DrawnAge] = []
    reached = 0
    for number, age in enumerate(ages):
        share = percent_text(age.value, total)
        drawn.append(
            DrawnAge(
                name=age.name,
                step=number + STEPS_MAX - len(ages) + 1,
                x=percent(reached, drawn_whole),
                width=percent(age.value, drawn_whole),
                text=measure.brief(age.value),
                exact=measure.text(age.value),
                share=f"{share} %" if share else "",
                address=age.address,
            )
        )
        reached += max(age.value, 0)
    rows = [
        [
            words(age.name, address=age.address),
            measure.cell(age.value),
            percent_cell(age.value, total),
        ]
        for age in ages
    ]
    sums = [words("Total"), measure.cell(total), percent_cell(total, total)]
    return Ageing(
        name=name,
        title=title,
        sentence=sentence or f"{measure.brief(total)} in all.",
        ages=drawn,
        twin=twin(title, ["Age", measure.unit, "Share"], rows, [sums]),
    )
