"""The table twin of a chart: the same figures in the same order, exactly. Pure."""

from dataclasses import dataclass

from pages.figures import Amount, amount, count, places_of
from pages.finance.chart import bucket_text, title
from pages.finance.choice import Each
from pages.finance.stack import Stack


@dataclass(frozen=True, slots=True)
class Row:
    """One hour or day, or the sum of all: a figure for each series, and their sum."""

    name: str
    figures: list[Amount]
    total: Amount


@dataclass(frozen=True, slots=True)
class Twin:
    """A table with a column for each series of a chart, and a row for each column."""

    caption: str
    heading: str
    names: list[str]
    rows: list[Row]
    total: Row


def twin(stack: Stack) -> Twin:
    """Lay a stack out as a table."""
    names = [bucket_text(bucket) for bucket in stack.axis.buckets]
    totals = stack.totals
    columns = [series.values for series in stack.series]
    sums = [series.total for series in stack.series]
    places = (
        places_of(
            (number, stack.currency)
            for numbers in (*columns, totals, sums, [sum(sums)])
            for number in numbers
        )
        if stack.currency
        else 0
    )

    def shown(number: int) -> Amount:
        if stack.currency:
            return amount(number, stack.currency, places=places)
        return Amount(value=f"{number}", plain=count(number), fine="", currency="")

    def row(name: str, numbers: list[int], total: int) -> Row:
        return Row(name, [shown(number) for number in numbers], shown(total))

    return Twin(
        caption=title(stack),
        heading="Hour, UTC" if stack.axis.each is Each.HOUR else "Day",
        names=[series.name for series in stack.series],
        rows=[
            row(name, [values[number] for values in columns], totals[number])
            for number, name in enumerate(names)
        ],
        total=row("Total", sums, sum(sums)),
    )
