"""Tell whether Stripe's draft is our invoice, and say in words what differs: pure.

A draft is finalised only when nothing differs: header, number of lines, each line's
mark, amount and currency, and the total that Stripe added up.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from metering.billing.models import Invoice
from metering.billing.providers.stripe.client import RemoteInvoice, RemoteLine
from metering.billing.providers.stripe.mapping import (
    INVOICE_MARK,
    LINE_MARK,
    SHA_MARK,
    DraftLine,
    in_stripes_unit,
)
from metering.billing.taxing import untaxed_sha256

_NAMED_MAX = 3


class Differs(Exception):
    """What Stripe holds is not our invoice; says how."""


def header_difference(invoice: Invoice, remote: RemoteInvoice, *, customer: str) -> str:
    """Return how the draft itself is not our invoice's, or nothing."""
    expected = {
        "customer": (customer, remote.customer),
        "currency": (invoice.currency.lower(), remote.currency.lower()),
        "invoice id": (str(invoice.public_id), remote.metadata.get(INVOICE_MARK)),
        "hash of lines": (untaxed_sha256(invoice), remote.metadata.get(SHA_MARK)),
    }
    return _first_difference(expected)


def lines_difference(
    expected: Sequence[DraftLine], lines: Sequence[RemoteLine], *, currency: str
) -> str:
    """Return how the draft's lines are not ours, or nothing."""
    ours = Counter(
        (line.mark, line.amount_minor, currency.lower()) for line in expected
    )
    theirs = Counter(
        (line.metadata.get(LINE_MARK, "?"), line.amount_minor, line.currency.lower())
        for line in lines
    )
    missing, foreign = ours - theirs, theirs - ours
    if not missing and not foreign:
        return ""
    return (
        f"{len(expected)} lines are ours and {len(lines)} are there;"
        f" missing {_named(missing)}; not ours {_named(foreign)}"
    )


def total_difference(invoice: Invoice, remote: RemoteInvoice) -> str:
    """Return how the total that Stripe added up is not ours, or nothing."""
    ours = in_stripes_unit(invoice.amount_minor, invoice.currency)
    return _first_difference({"total": (ours, remote.total_minor)})


def _first_difference(pairs: Mapping[str, tuple[object, object]]) -> str:
    for name, (ours, theirs) in pairs.items():
        if ours != theirs:
            return f"{name} is {theirs}, ours is {ours}"
    return ""


def _named(lines: Counter[tuple[str, int, str]]) -> str:
    if not lines:
        return "none"
    shown = ", ".join(
        f"{mark} ({amount} {currency})"
        for mark, amount, currency in sorted(lines)[:_NAMED_MAX]
    )
    more = lines.total() - _NAMED_MAX
    return f"{shown} and {more} more" if more > 0 else shown
