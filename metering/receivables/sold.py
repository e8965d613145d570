"""The credit that a top-up sold follows what is paid of it.

Nobody has that credit before all of it is paid. From then on, what is due of it is a
function of the invoice: its price, less what notes took back, less what is open again
because money left. So whatever leaves and returns, in whatever order, the credit is the
same in the end.

Failure: part of the caller's transaction, which holds the invoice. Owns: the grants
that bring credit again.
"""

import datetime as dt

from kit.money import picos_from_minor
from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.ledger.models import Account, CreditGrant
from metering.ledger.services import end_credit, grant_credit, reverse_credit
from metering.receivables.crediting import NOT_NET, gross_amounts
from metering.receivables.settling import creditable, facts_of

_AGAIN = " again "


def grants_of(invoice: Invoice) -> list[CreditGrant]:
    """Return the credit that an invoice sold, the first grant first.

    None before it was paid, and of an invoice that sells none.
    """
    if invoice.kind != Invoice.Kind.TOP_UP:
        return []
    name = str(invoice.basis.get("top_up", ""))
    rows = CreditGrant.objects.filter(
        tenant_id=invoice.tenant_id, source=CreditGrant.Source.TOP_UP
    )
    first = rows.filter(reference=name)
    return [*first, *rows.filter(reference__startswith=name + _AGAIN).order_by("pk")]


def take_credit_away(invoice: Invoice, reversal: str, *, now: dt.datetime) -> None:
    """Take credit back that is not paid for any more, the latest first.

    Raises `Conflict` for what the reversal does not take.
    """
    grants = grants_of(invoice)
    left = _held_picos(grants) - _due_picos(invoice)
    for grant in reversed(grants):
        part = min(left, grant.amount_picos - grant.reversed_picos)
        if part > 0:
            reverse_credit(
                grant=grant,
                amount_picos=part,
                reversal=reversal,
                given_to=Account.Kind.DEFERRED,
                now=now,
            )
            left -= part


def bring_credit_again(invoice: Invoice, *, now: dt.datetime) -> None:
    """Grant credit again whose money is here again, once all of it is paid."""
    grants = grants_of(invoice)
    if not grants or facts_of(invoice).open_minor > 0:
        return
    missing = _due_picos(invoice) - _held_picos(grants)
    if missing > 0:
        with atomic():
            grant = grant_credit(
                tenant=invoice.tenant,
                now=now,
                taken_from=Account.Kind.DEFERRED,
                source=CreditGrant.Source.TOP_UP,
                amount_picos=missing,
                reference=f"{invoice.basis['top_up']}{_AGAIN}{len(grants)}",
            )
            if all(each.expired_at for each in grants):
                # What had run out before its money left stays so.
                end_credit(grant=grant, now=now)


def _held_picos(grants: list[CreditGrant]) -> int:
    return sum(grant.amount_picos - grant.reversed_picos for grant in grants)


def _due_picos(invoice: Invoice) -> int:
    """Return how much credit is paid for."""
    lines = creditable(invoice)
    net = {line.position: line.left_minor for line in lines if line.kind not in NOT_NET}
    due = sum(net.values())
    open_minor = facts_of(invoice).open_minor
    if open_minor > 0:
        gone = gross_amounts(lines, open_minor, currency=invoice.currency)
        due -= sum(minor for position, minor in gone.items() if position in net)
    return picos_from_minor(due, invoice.currency)
