"""The way in for people: what the accounts hold, and how webhooks went lately."""

from html import escape
from itertools import islice

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.engine import Engine
from tests.standins.stripe.pages.layout import Page, money
from tests.standins.stripe.world import checkout

ROWS_SHOWN = 20


def show(engine: Engine) -> Page:
    """Return the latest invoices and checkouts of each account, and its webhooks."""
    accounts = "".join(_account(row.account) for row in engine.merchants.rows)
    attempts = "".join(
        f"<tr><td>{escape(attempt.kind)}<td>{escape(attempt.event)}"
        f"<td class=sum>{attempt.status or escape(attempt.error or '')}"
        for attempt in islice(reversed(engine.hooks.attempts), ROWS_SHOWN)
    )
    body = (
        f"<h1>Stand-in of Stripe</h1>{accounts}<h2>Webhooks sent lately</h2>"
        f"<table>{attempts}</table><p>{len(engine.hooks.waiting())} to be sent.</p>"
    )
    return Page(body, title="Stand-in of Stripe")


def _account(account: Account) -> str:
    invoices = "".join(
        f"<tr><td>{_link(row, row['number'] or 'draft', 'hosted_invoice_url')}"
        f"<td>{escape(row['customer_name'] or row['customer'])}"
        f"<td>{escape(row['status'])}"
        f"<td class=sum>{money(row['total'], row['currency'])}"
        for row in islice(reversed(account.invoices.values()), ROWS_SHOWN)
    )
    sessions = "".join(
        f"<tr><td>{_link(row, row['id'], 'url')}<td>{escape(row['mode'])}"
        f"<td>{escape(row['status'])}"
        f"<td class=sum>{money(row['amount_total'] or 0, row['currency'] or 'usd')}"
        for row in islice(reversed(account.rows[checkout.KIND].values()), ROWS_SHOWN)
    )
    mode = "live" if account.livemode else "test"
    return (
        f"<h2>{escape(account.name)} ({escape(account.id)}, {mode})</h2>"
        f"<h3>Invoices</h3><table>{invoices}</table>"
        f"<h3>Checkouts</h3><table>{sessions}</table>"
    )


def _link(row: Json, name: str, field: str) -> str:
    if not row[field]:
        return escape(name)
    return f'<a href="{escape(row[field])}">{escape(name)}</a>'
