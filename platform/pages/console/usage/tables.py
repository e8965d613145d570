"""The usage page's table, its file over time, and its figures at a glance. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from metering.usage.report import Measures, UsageRow
from pages.console.usage.choice import By, Choice
from pages.console.usage.drawing import bucket_name
from pages.console.usage.report import Findings, Row, id_of, name_of
from pages.design.cells import (
    Cell,
    Kind,
    money,
    nothing,
    number,
    percent,
    percent_text,
    unit,
    words,
)
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile, number_tile

# What is looked at next, once one of these was clicked on.
_THEN = {By.MODEL: By.KEY, By.PROJECT: By.KEY, By.KEY: By.MODEL, By.MEMBER: By.KEY}


def table_of(choice: Choice) -> Table[Row]:
    """Return the table of a choice: a column for each part, and what was counted."""
    what = " and ".join(each.noun for each in choice.parts)
    return Table(
        name="usage",
        title=f"By {what}",
        columns=(
            *(_part(choice, place) for place in range(len(choice.parts))),
            _count("requests", "Requests"),
            _count("input_tokens", "Input", note="Prompt tokens that were not cached"),
            _count("cached_input_tokens", "Cached input"),
            _count("output_tokens", "Output", note="Reasoning tokens are among them"),
            _count("reasoning_tokens", "of it reasoning"),
            Column(
                "spend",
                "Spend",
                lambda row: money(row.use.charge_picos, row.use.currency),
                Kind.NUMBER,
                sort=lambda row: row.use.charge_picos,
                note="Excluding tax",
            ),
            Column(
                "currency", "Currency", lambda row: unit(row.use.currency), Kind.UNIT
            ),
            Column(
                "share",
                "Share, %",
                lambda row: replace(
                    percent(row.use.charge_picos, row.whole_picos),
                    share=_length(row),
                ),
                Kind.NUMBER,
                sort=lambda row: row.use.charge_picos,
            ),
            Column(
                "change",
                "Change",
                lambda row: change_cell(row.use.charge_picos, row.before_picos),
                Kind.NUMBER,
                sort=_change,
                note="Of the spend, against the same length of time before",
            ),
        ),
        usual_sort="-spend",
        key=lambda row: " / ".join(row.names),
    )


def over_time_table(choice: Choice) -> Table[UsageRow]:
    """Return the file of every group in every column of the chart."""
    return Table(
        name="over-time",
        title="Over time",
        columns=(
            Column(
                f"{choice.bucket}",
                "When",
                lambda row: words(bucket_name(row)),
            ),
            *(
                Column(
                    by.value,
                    by.heading,
                    lambda row, by=by: words(name_of(row.group, by)),  # type: ignore[misc]
                )
                for by in choice.parts
            ),
            *(
                Column(
                    name,
                    name,
                    lambda row, name=name: number(getattr(row, name)),  # type: ignore[misc]
                )
                for name in (
                    "requests",
                    "input_tokens",
                    "cached_input_tokens",
                    "output_tokens",
                    "reasoning_tokens",
                )
            ),
            Column("spend", "Spend", lambda row: money(row.charge_picos, row.currency)),
            Column("currency", "Currency", lambda row: unit(row.currency)),
        ),
    )


def totals_of(choice: Choice, found: Findings) -> list[dict[str, Cell]]:
    """Return the table's last rows, one a currency."""
    before = found.before.report
    earlier = (
        {each.currency: each.charge_picos for each in before.totals} if before else {}
    )
    return [
        {
            choice.by.value: words("Total"),
            "requests": number(total.requests),
            "input_tokens": number(total.input_tokens),
            "cached_input_tokens": number(total.cached_input_tokens),
            "output_tokens": number(total.output_tokens),
            "reasoning_tokens": number(total.reasoning_tokens),
            "spend": money(total.charge_picos, total.currency),
            "currency": unit(total.currency),
            "change": change_cell(
                total.charge_picos,
                earlier.get(total.currency, 0) if before else None,
            ),
        }
        for total in found.divided.totals
    ]


def tiles(
    choice: Choice, found: Findings, *, compared: str
) -> tuple[list[Tile], list[Tile]]:
    """Return spend, one tile a currency, and what was counted over all."""
    totals: Sequence[Measures] = found.divided.totals or (
        Measures(currency=choice.tenant.currency),
    )
    before = found.before.report
    earlier = (
        {each.currency: each.charge_picos for each in before.totals} if before else {}
    )
    spend = [
        money_tile(
            "Spend",
            total.charge_picos,
            total.currency,
            note=_compared(
                total.charge_picos,
                earlier.get(total.currency, 0) if before else None,
                compared,
            ),
        )
        for total in totals
    ]
    counted = [
        number_tile("Requests", sum(each.requests for each in totals)),
        number_tile("Input tokens", sum(each.input_tokens for each in totals)),
        number_tile(
            "Cached input tokens", sum(each.cached_input_tokens for each in totals)
        ),
        number_tile(
            "Output tokens",
            sum(each.output_tokens for each in totals),
            note=f"{sum(each.reasoning_tokens for each in totals):,} of them reasoning",
        ),
    ]
    return spend, counted


def change_cell(picos: int, before: int | None) -> Cell:
    """Return how an amount changed; something new has no percentage."""
    if before is None:
        return nothing("not compared")
    if not before:
        return words("new") if picos else nothing("nothing then")
    text = percent_text(picos - before, before)
    sign = "+" if picos > before else ""
    return Cell(f"{sign}{text} %", f"{sign}{text}")


def empty(choice: Choice, *, last_used: str) -> Empty:
    """Return why there is nothing, and where something is."""
    if choice.only.parameters() and any(choice.only.parameters().values()):
        nothing_chosen = {"model": "", "project": "", "key": "", "member": ""}
        return Empty(
            "Nothing like that was used in this range",
            "The page is narrowed.",
            "Show everything",
            choice.address(**nothing_chosen),
        )
    return Empty("No requests in this range", last_used)


def _compared(picos: int, before: int | None, compared: str) -> str:
    if before is None:
        return compared
    cell = change_cell(picos, before)
    return f"{cell.shown} against {compared}" if before else f"nothing in {compared}"


def _part(choice: Choice, place: int) -> Column[Row]:
    by = choice.parts[place]
    return Column(
        by.value,
        by.heading,
        lambda row: words(row.names[place], address=_narrowed(choice, row, by)),
        sort=lambda row: row.names[place],
    )


def _narrowed(choice: Choice, row: Row, by: By) -> str:
    """Return the same page of one part alone, divided by what may explain it."""
    found = id_of(row.use.group, by)
    only = choice.only.parameters()
    if found is None or only[by.value]:
        return ""
    rest = [each for each in choice.parts if each is not by]
    then = rest[0] if rest else _THEN[by]
    return choice.address(**{by.value: f"{found}", "by": then.value, "then": ""})


def _count(name: str, heading: str, *, note: str = "") -> Column[Row]:
    return Column(
        name,
        heading,
        lambda row: number(getattr(row.use, name)),
        Kind.NUMBER,
        sort=lambda row: getattr(row.use, name),
        note=note,
    )


def _length(row: Row) -> int:
    if row.use.charge_picos <= 0 or row.whole_picos <= 0:
        return 0
    return max(row.use.charge_picos * 1000 // row.whole_picos, 1)


def _change(row: Row) -> int | None:
    if not row.before_picos:
        return None
    return (row.use.charge_picos - row.before_picos) * 10_000 // row.before_picos
