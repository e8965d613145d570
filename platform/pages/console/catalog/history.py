"""What a model cost the tenant before, what it costs now, and what is planned. Pure.

Failure: none; a time without a price is a line that says so.
"""

import datetime as dt

from metering.pricing.own import PriceSpan
from pages.console.catalog.offers import MILLION
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, clock, money, nothing, number, state
from pages.design.states import Empty
from pages.design.table import Column, Table
from tenants.models import Tenant


def history_table(tenant: Tenant, *, now: dt.datetime) -> Table[PriceSpan]:
    """Return the table of a model's prices over time."""

    def until(row: PriceSpan) -> Cell:
        if row.ends_at is None:
            return nothing("until further notice" if row.price else "")
        return clock(row.ends_at, tenant.zone)

    def version(row: PriceSpan) -> Cell:
        return number(row.price.version) if row.price else nothing("")

    return Table(
        name="history",
        title=f"Your prices over time, {tenant.currency}",
        note="For a million tokens. What changes nothing for you begins no line.",
        is_one_of_many=True,
        empty=Empty("It has had no price for you"),
        columns=(
            Column("from", "From", lambda row: clock(row.starts_at, tenant.zone)),
            Column("until", "Until", until),
            *(
                _price(name, heading, tenant.currency)
                for name, heading in (
                    ("input", "Input"),
                    ("cached_input", "Cached"),
                    ("output", "Output"),
                )
            ),
            Column("version", "Version", version, Kind.NUMBER),
            Column("state", "State", lambda row: state(_state(row, now))),
        ),
    )


def _price(name: str, heading: str, currency: str) -> Column[PriceSpan]:
    def cell(row: PriceSpan) -> Cell:
        if row.price is None:
            return nothing("no price")
        return money(getattr(row.price.price, f"{name}_picos") * MILLION, currency)

    return Column(name, heading, cell, Kind.NUMBER)


def _state(row: PriceSpan, now: dt.datetime) -> Badge:
    if row.starts_at > now:
        return Badge("planned", Tone.WAIT)
    if row.ends_at is not None and row.ends_at <= now:
        return Badge("over", Tone.OVER)
    return Badge("in force", Tone.GOOD if row.price else Tone.BAD)
