"""What people see of the stand-in: an invoice's hosted page."""

from html import escape
from typing import Any

from kit.money import format_minor
from tests.standins.stripe.engine import Engine

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Invoice {number}</title>
<style>body{{font:16px/1.5 system-ui;max-width:48rem;margin:3rem auto}}
table{{width:100%;border-collapse:collapse}}td{{border-top:1px solid #ddd}}
td+td,tfoot{{text-align:right;font-variant-numeric:tabular-nums}}</style>
<h1>Invoice {number}</h1><p>{customer} &middot; {status}</p>
<table><tbody>{rows}</tbody><tfoot><tr><td>Total</td><td>{total}</td></tr></tfoot></table>
</html>
"""


def hosted_page(engine: Engine, path: str) -> str | None:
    """Return the page of the invoice at this path, or None when there is none."""
    account = engine.account
    for invoice in account.invoices.values():
        url = invoice["hosted_invoice_url"]
        if url is not None and url == f"{account.base_url}{path}":
            return _rendered(invoice, account.lines[invoice["id"]])
    return None


def _rendered(invoice: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    currency = invoice["currency"]
    rows = "".join(
        f"<tr><td>{escape(line['description'] or '')}</td>"
        f"<td>{format_minor(line['amount'], currency)}</td></tr>"
        for line in lines
    )
    return _PAGE.format(
        number=escape(invoice["number"]),
        customer=escape(invoice["customer_name"] or invoice["customer"]),
        status=invoice["status"],
        rows=rows,
        total=format_minor(invoice["total"], currency),
    )
