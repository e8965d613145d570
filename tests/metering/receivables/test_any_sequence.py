"""Whatever happens to an invoice in whatever order, the ledger says what is open."""

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR
from metering.billing.models import Invoice
from metering.ledger.models import Account
from metering.receivables import services
from metering.receivables.models import Payment
from metering.receivables.services import Wanted
from metering.receivables.settling import facts_of
from metering.receivables.standing import state_of
from tests.factories.receivables import (
    ISSUED,
    TAXED,
    Kind,
    make_invoice,
    receivable_minor,
    standing_on,
)

LINES = st.sampled_from(
    [
        list(TAXED),
        [(Kind.COMPONENT, 10_001), (Kind.CREDIT, -6_000), (Kind.TAX, 1_900)],
        [(Kind.COMPONENT, 333), (Kind.CREDIT, -333)],
        # Credit that was charged back is charged again.
        [(Kind.COMPONENT, 10_000), (Kind.CREDIT, 500), (Kind.TAX, 1_995)],
    ]
)
OUTLETS = st.sampled_from(["paid_back", "credit"])
SOME = st.integers(1, 9_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), SOME, OUTLETS),
        st.tuples(st.just("refund"), SOME, OUTLETS),
        st.tuples(st.just("note"), SOME, OUTLETS),
        st.tuples(st.just("note all"), st.just(0), OUTLETS),
        st.tuples(st.just("write off"), st.just(0), OUTLETS),
    ),
    max_size=8,
)


def take(invoice: Invoice, number: int, step: tuple[str, int, str]) -> None:
    """Take one step; one that is refused changes nothing."""
    name, minor, outlet = step
    said: Any = {"now": ISSUED}
    reference = f"step {number}"
    if name == "pay":
        services.record_payment(
            invoice=invoice,
            amount_minor=minor,
            reference=reference,
            received_at=ISSUED,
            excess=outlet,
            **said,
        )
    elif name == "refund":
        payment = Payment.objects.filter(invoice=invoice).order_by("?").first()
        if payment is not None:
            services.refund_payment(
                payment=payment,
                amount_minor=minor,
                outlet=outlet,
                reference=reference,
                reason="Asked for.",
                **said,
            )
    elif name == "write off":
        services.write_off(invoice=invoice, reason="Gone.", **said)
    else:
        lines = {1: minor} if name == "note" else None
        wanted = Wanted("Wrong.", reference, lines, outlet)
        services.issue_credit_note(invoice=invoice, wanted=wanted, **said)


@pytest.mark.usefixtures("operator_db")
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, STEPS)
def test_the_receivable_is_what_is_open_and_the_state_follows_from_the_facts(
    lines: list[tuple[Kind, int]], steps: list[tuple[str, int, str]]
) -> None:
    with transaction.atomic(using=OPERATOR):
        invoice = make_invoice(lines)
        for number, step in enumerate(steps):
            try:
                with atomic():
                    take(invoice, number, step)
            except Conflict:
                pass
            invoice.refresh_from_db()
            facts = facts_of(invoice)
            assert receivable_minor(invoice.tenant) == facts.open_minor >= 0
            assert invoice.state == state_of(facts)
            assert facts.noted_minor <= facts.whole_minor
            kept = (facts.paid_minor, facts.credited_minor, facts.written_off_minor)
            row = (
                invoice.paid_minor,
                invoice.credited_minor,
                invoice.written_off_minor,
            )
            assert row == kept
            lost = standing_on(invoice.tenant, Account.Kind.BAD_DEBT)
            assert lost == facts.written_off_minor
        transaction.set_rollback(True, using=OPERATOR)
