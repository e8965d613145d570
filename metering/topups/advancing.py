"""Take top-ups as far as they go: an invoice for what is due, credit for what is paid.

The invoice and the step that names it are one transaction, and so are the payment and
the credit: `invoice_paid` is sent inside the one that pays. So no top-up is invoiced or
granted twice, wherever a worker dies.

Failure: one that cannot be invoiced holds up no other; it is tried again with the next
scan. What comes of an invoice that is given up is `failed`. Owns: how top-ups end.
"""

import datetime as dt

import structlog

from kit.errors import PlatformError
from kit.money import picos_from_minor
from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.billing.models import Invoice
from metering.billing.services import draft_top_up
from metering.ledger.models import Account, CreditGrant
from metering.ledger.services import grant_credit
from metering.topups.asking import ask_by_rules, end
from metering.topups.models import TopUp

log = structlog.get_logger(__name__)

State = TopUp.State
_GIVEN_UP = (Invoice.State.VOID, Invoice.State.UNCOLLECTIBLE)


def advance(*, now: dt.datetime) -> int:
    """Ask for what rules want, invoice what is due; return how many were invoiced."""
    _fail_given_up(now)
    ask_by_rules(now=now)
    invoiced = 0
    for pk in _to_invoice():
        try:
            invoiced += _invoice(pk, now)
        except PlatformError as error:
            log.warning("top_up_waits", top_up=pk, reason=error.message)
        except Exception:
            # A bug met by one top-up: the others are still invoiced.
            log.exception("top_up_not_invoiced", top_up=pk)
    return invoiced


def grant_paid(*, invoice: Invoice, now: dt.datetime) -> CreditGrant | None:
    """Grant the credit of a top-up whose invoice is paid, once.

    None for an invoice of anything else.
    """
    with atomic():
        row = TopUp.objects.select_for_update().filter(invoice=invoice).first()
        if row is None or row.grant_id is not None:
            return None
        grant = grant_credit(
            tenant=row.tenant,
            now=now,
            taken_from=Account.Kind.DEFERRED,
            source=CreditGrant.Source.TOP_UP,
            amount_picos=picos_from_minor(row.amount_minor, row.currency),
            reference=row.reference,
        )
        end(row, State.PAID, now, grant=grant)
    return grant


def _to_invoice() -> list[int]:
    # What is paid first is invoiced by whoever collects the money.
    rows = TopUp.objects.filter(state=State.DUE, way=TopUp.Way.INVOICE)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _invoice(pk: int, now: dt.datetime) -> bool:
    with atomic():
        row = TopUp.objects.select_for_update().get(pk=pk)
        if row.state != State.DUE:
            return False
        invoice = draft_top_up(
            tenant=row.tenant,
            amount_minor=row.amount_minor,
            reference=row.reference,
            now=now,
        )
        change(row, {"state": State.INVOICED, "invoice": invoice}, action="invoice")
    return True


def _fail_given_up(now: dt.datetime) -> None:
    """End the top-ups whose invoices nobody will pay, so that another may be asked."""
    rows = TopUp.objects.filter(state=State.INVOICED, invoice__state__in=_GIVEN_UP)
    for pk in rows.order_by("pk").values_list("pk", flat=True):
        with atomic():
            row = TopUp.objects.select_for_update().get(pk=pk)
            if row.state == State.INVOICED:
                end(row, State.FAILED, now)
