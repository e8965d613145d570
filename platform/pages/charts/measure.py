"""What a chart measures: exact amounts of a currency, or counts. Pure."""

from dataclasses import dataclass

from pages.charts.scale import count_labels, money_labels
from pages.design.cells import Cell, money, nothing, number
from pages.figures import count, exact, rounded


@dataclass(frozen=True, slots=True)
class Measure:
    """Picos of a currency; counts of `noun`, such as `tokens`, where it is empty."""

    currency: str = ""
    noun: str = ""

    @property
    def unit(self) -> str:
        """Return what stands above the axis."""
        return self.currency or self.noun.capitalize()

    def text(self, value: int) -> str:
        """Return a value in full, with its unit."""
        if self.currency:
            return exact(value, self.currency)
        return f"{count(value)} {self.noun}".rstrip()

    def brief(self, value: int) -> str:
        """Return a value at a glance: an amount in its minor unit."""
        return rounded(value, self.currency).shown if self.currency else count(value)

    def labels(self, ticks: list[int]) -> list[str]:
        """Return what stands beside the lines of an axis."""
        below = [-tick for tick in ticks if tick < 0]
        above = [tick for tick in ticks if tick >= 0]
        found = (
            money_labels([*below, *above], self.currency)
            if self.currency
            else count_labels([*below, *above])
        )
        signed = [f"\N{MINUS SIGN}{text}" for text in found[: len(below)]]
        return [*signed, *found[len(below) :]]

    def cell(self, value: int | None) -> Cell:
        """Return a value as a cell of the table twin; None is not zero."""
        if value is None:
            return nothing("no data")
        return money(value, self.currency) if self.currency else number(value)
