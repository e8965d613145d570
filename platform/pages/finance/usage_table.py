"""The table of the usage page: what was used, divided as the reader chose. Pure."""

from pages.design import cells
from pages.design.address import Query
from pages.design.cells import Cell, Kind
from pages.design.table import Column, Table
from pages.finance.choice import By, Choice
from pages.finance.report import Findings, UsageLine

COUNTS = {
    "requests": "Requests",
    "input_tokens": "Input",
    "cached_input_tokens": "Cached input",
    "output_tokens": "Output",
}


def table_of(choice: Choice) -> Table[UsageLine]:
    """Return the table of a choice; without another order the dearest stand first."""
    return Table(
        name="usage",
        title=f"By {choice.by.noun}",
        columns=(
            Column(
                choice.by.value,
                choice.by.heading,
                lambda line: cells.words(
                    line.part.name,
                    address=_narrowed(choice, line),
                    note=line.part.within,
                ),
                sort=lambda line: (line.part.name, line.part.within),
            ),
            Column(
                "spend",
                "Spend",
                lambda line: cells.money(
                    line.use.charge_picos, line.use.currency, share=line.share
                ),
                Kind.NUMBER,
                sort=lambda line: line.use.charge_picos,
                note="Excluding tax",
            ),
            Column(
                "currency",
                "Currency",
                lambda line: cells.unit(line.use.currency),
                Kind.UNIT,
            ),
            *(_count(name, heading) for name, heading in COUNTS.items()),
        ),
    )


# What the database sorts by where a file is in the order of a column.
_ORDERS = {
    By.MODEL: ("model",),
    By.TENANT: ("tenant",),
    By.PROJECT: ("project", "tenant"),
    By.KEY: ("api_key", "tenant", "project"),
}


def order_of(table: Table[UsageLine], query: Query) -> list[str]:
    """Return the order of a file, as the page would show it on all its pages."""
    asked = table.asked(query)
    named = {by.value: names for by, names in _ORDERS.items()}
    named |= {"spend": ("charge_picos",), "": ()}
    minus = "-" if asked.is_descending else ""
    first = [f"{minus}{name}" for name in named.get(asked.column, (asked.column,))]
    return [*first, "currency", "-charge_picos"]


def totals_of(choice: Choice, found: Findings) -> list[dict[str, Cell]]:
    """Return the table's last rows, one a currency."""
    return [
        {
            choice.by.value: cells.words(f"Total {total.currency}"),
            "spend": cells.money(total.charge_picos, total.currency),
            "currency": cells.unit(total.currency),
            **{name: cells.number(getattr(total, name)) for name in COUNTS},
        }
        for total in found.totals
    ]


def _count(name: str, heading: str) -> Column[UsageLine]:
    return Column(
        name,
        heading,
        lambda line: cells.number(getattr(line.use, name)),
        Kind.NUMBER,
        sort=lambda line: getattr(line.use, name),
    )


def _narrowed(choice: Choice, line: UsageLine) -> str:
    """Return the same page of one row alone, where that is another page."""
    filtered = {By.MODEL: choice.model, By.TENANT: choice.tenant}
    if choice.by not in filtered or filtered[choice.by] is not None:
        return ""
    return choice.address(**{choice.by: line.part.name})
