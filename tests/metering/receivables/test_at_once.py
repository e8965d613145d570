"""Two at once about one invoice: one waits, and decides on what the other left."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.billing.models import Invoice
from metering.receivables import services
from metering.receivables.models import CreditNote, Payment
from metering.receivables.services import Wanted
from metering.receivables.settling import held
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.receivables import ISSUED, make_invoice, receivable_minor

TOTAL = 14_280


def pay(invoice: Invoice, reference: str, **changes: Any) -> Payment:
    """Pay all of an invoice."""
    return services.record_payment(
        invoice=invoice,
        amount_minor=TOTAL,
        reference=reference,
        received_at=ISSUED,
        now=ISSUED,
        **changes,
    )


def credit(invoice: Invoice, reference: str) -> CreditNote:
    """Credit all that is left of an invoice."""
    wanted = Wanted("Wrong.", reference)
    return services.issue_credit_note(invoice=invoice, wanted=wanted, now=ISSUED)


def test_what_comes_at_once_is_decided_one_after_the_other(
    fresh_database: object,
) -> None:
    with as_operator():
        paid, twice, noted = make_invoice(), make_invoice(), make_invoice()
    writes = [
        lambda: pay(paid, "one"),
        lambda: pay(paid, "other"),
        lambda: pay(twice, "the same"),
        lambda: pay(twice, "the same"),
        lambda: credit(noted, "one"),
        lambda: credit(noted, "other"),
    ]
    with ThreadPoolExecutor(len(writes)) as threads:
        with as_operator(), atomic():
            for invoice in (paid, twice, noted):
                held(invoice)
            running = [threads.submit(as_another_operator, each) for each in writes]
            wait_until_blocked(len(writes))
        refused = [each.result() for each in running]
    # Of two that want all of one invoice one is too late; the same payment is one.
    for pair in (refused[0:2], refused[4:6]):
        assert [type(each) for each in pair if each] == [Conflict], pair
    assert refused[2:4] == [None, None]
    with as_operator():
        assert Payment.objects.count() == 2
        assert CreditNote.objects.get().number == "CN-2026-000001"
        for invoice in (paid, twice, noted):
            assert receivable_minor(invoice.tenant) == 0
    connections.close_all()
