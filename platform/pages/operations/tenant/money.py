"""What a tenant owes and has: invoices, subscriptions, credit."""

import datetime as dt
from typing import Any

from django.urls import reverse

from metering.billing import selectors as billing
from metering.billing.models import Invoice
from metering.ledger import selectors as ledger
from metering.ledger.models import CreditGrant
from metering.ledger.wallets import wallet
from metering.receivables.selectors import OPEN_MINOR
from metering.subscriptions import selectors as held
from metering.subscriptions.models import Subscription
from metering.usage.zones import date_at
from pages.design.badges import Badge, Tone, invoice_badge
from pages.design.cells import (
    Cell,
    Kind,
    day,
    instant,
    minor,
    money,
    nothing,
    state,
    words,
)
from pages.design.heading import Crumb
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import money_tile
from pages.operations.tenant.parts import Asked, Part, Shown, paged

_INVOICE_CHANGE = "admin:billing_invoice_change"


_NO_INVOICE = Empty("There is no invoice", "One is made when a period closes.")
_NONE_OPEN = Empty("No invoice is open", "What was issued is paid or settled.")


def invoices_table(
    today: dt.date, *, title: str = "Invoices", empty: Empty = _NO_INVOICE
) -> Table[Any]:
    """Return the table of invoices, overdue as of a day of the tenant's."""

    def stands(row: Invoice) -> Cell:
        if row.state == Invoice.State.OPEN and row.due_date and row.due_date < today:
            late = (today - row.due_date).days
            return state(Badge("overdue", Tone.BAD), note=f"for {late} d")
        return state(invoice_badge(row.state))

    return Table(
        name="invoices",
        title=title,
        empty=empty,
        columns=(
            Column(
                "number",
                "Number",
                lambda row: words(
                    str(row.number or "draft"),
                    address=reverse(_INVOICE_CHANGE, args=(row.pk,)),
                    note=row.get_kind_display(),
                ),
            ),
            Column("state", "State", stands),
            Column(
                "amount",
                "Amount",
                lambda row: minor(row.amount_minor, row.currency),
                Kind.NUMBER,
            ),
            Column(
                "open",
                "Open",
                lambda row: minor(
                    row.open_minor if row.state == Invoice.State.OPEN else 0,
                    row.currency,
                ),
                Kind.NUMBER,
            ),
            Column("currency", "Currency", lambda row: words(row.currency), Kind.UNIT),
            Column(
                "issued",
                "Issued",
                lambda row: day(row.issued_date) if row.issued_date else nothing("no"),
            ),
            Column(
                "due",
                "Due",
                lambda row: day(row.due_date) if row.due_date else nothing("no"),
            ),
            Column("problem", "Problem", lambda row: words(row.problem)),
        ),
    )


def invoices(asked: Asked) -> Shown:
    """Return the tab of invoices, the newest first."""
    rows = billing.invoices(tenant=asked.tenant).annotate(open_minor=OPEN_MINOR)
    today = date_at(asked.now, asked.tenant.zone)
    return Shown(parts=[paged(invoices_table(today), rows, asked.query)])


def _span(row: Subscription, today: dt.date) -> Cell:
    if row.starts_on > today:
        return state(Badge("to come", Tone.WAIT))
    if row.ends_on and row.ends_on <= today:
        return state(Badge("ended", Tone.OVER))
    return state(Badge("runs", Tone.GOOD))


def subscriptions(asked: Asked) -> Shown:
    """Return the tab of subscriptions."""
    today = date_at(asked.now, asked.tenant.zone)
    table: Table[Subscription] = Table(
        name="subscriptions",
        title="Subscriptions",
        empty=Empty(
            "This tenant has no subscription",
            "It pays for what it uses, by its contract or its book of prices.",
        ),
        columns=(
            Column(
                "plan",
                "Plan",
                lambda row: words(
                    row.version.name, note=f"version {row.version.number}"
                ),
            ),
            Column("state", "State", lambda row: _span(row, today)),
            Column(
                "fee",
                "Fee of a period",
                lambda row: minor(row.version.fee_minor, row.version.currency),
                Kind.NUMBER,
            ),
            Column(
                "least",
                "At least",
                lambda row: minor(
                    row.version.minimum_commitment_minor, row.version.currency
                ),
                Kind.NUMBER,
            ),
            Column(
                "currency",
                "Currency",
                lambda row: words(row.version.currency),
                Kind.UNIT,
            ),
            Column("from", "From", lambda row: day(row.starts_on)),
            Column(
                "to",
                "Until before",
                lambda row: day(row.ends_on) if row.ends_on else nothing("open"),
            ),
        ),
    )
    rows = held.subscriptions(tenant=asked.tenant)
    return Shown(parts=[paged(table, rows, asked.query)])


def _left(row: Any) -> int:
    left: int = (
        row.amount_picos - row.burned_now - row.expired_picos - row.reversed_picos
    )
    return left


GRANTS: Table[CreditGrant] = Table(
    name="grants",
    title="Credit grants",
    empty=Empty("No credit was granted", "It pays its bills by other means."),
    columns=(
        Column(
            "grant",
            "Grant",
            lambda row: words(
                row.get_source_display(),
                address=reverse("admin:ledger_creditgrant_change", args=(row.pk,)),
                note=row.reference,
            ),
        ),
        Column(
            "amount",
            "Granted",
            lambda row: money(row.amount_picos, row.currency),
            Kind.NUMBER,
        ),
        Column(
            "burned",
            "Used",
            lambda row: money(row.burned_now, row.currency),  # type: ignore[attr-defined]
            Kind.NUMBER,
        ),
        Column(
            "gone",
            "Expired or taken back",
            lambda row: money(row.expired_picos + row.reversed_picos, row.currency),
            Kind.NUMBER,
        ),
        Column(
            "left", "Left", lambda row: money(_left(row), row.currency), Kind.NUMBER
        ),
        Column("currency", "Currency", lambda row: words(row.currency), Kind.UNIT),
        Column("at", "Granted, UTC", lambda row: instant(row.created_at)),
        Column(
            "expires",
            "Expires, UTC",
            lambda row: instant(row.expires_at) if row.expires_at else nothing("never"),
        ),
    ),
)


def credit(asked: Asked) -> Shown:
    """Return the tab of credit: what there is, and each grant."""
    tenant = asked.tenant
    has = wallet(tenant=tenant, now=asked.now)
    figures = (
        ("Granted", has.granted, ""),
        ("Used", has.burned, ""),
        ("Expired", has.expired, ""),
        ("Taken back", has.reversed, ""),
        ("Left", has.left, "granted - used - expired - taken back"),
        ("Held by running requests", has.held, ""),
        ("Available", has.available, "left - held"),
    )
    tiles = [
        money_tile(label, picos, tenant.currency, note=note)
        for label, picos, note in figures
    ]
    for coming in has.expiring[:1]:
        tiles.append(
            money_tile(
                "Expires next",
                coming.picos,
                tenant.currency,
                note=f"on {coming.at:%Y-%m-%d %H:%M} UTC",
            )
        )
    rows = ledger.credit_grants(tenant=tenant).order_by("-id")
    add = f"{reverse('admin:ledger_creditgrant_add')}?tenant={tenant.slug}"
    return Shown(
        tiles=tiles,
        parts=[paged(GRANTS, rows, asked.query)],
        links=[Crumb("Grant credit", add)],
    )


def owed(asked: Asked, rows: Any) -> Part:
    """Return the table of what is open."""
    today = date_at(asked.now, asked.tenant.zone)
    table = invoices_table(today, title="Open invoices", empty=_NONE_OPEN)
    return Part(table, list(rows[:20]))
