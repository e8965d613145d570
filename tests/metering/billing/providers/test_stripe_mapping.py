"""Lines for Stripe: folding keeps every cent, and the largest lines."""

import datetime as dt
import uuid

from hypothesis import given
from hypothesis import strategies as st

from metering.billing.models import Invoice, InvoiceLine, Period
from metering.billing.providers.stripe.mapping import (
    LINES_MAX,
    LINES_PER_CALL,
    OTHER,
    batches,
    customer_params,
    draft_lines,
    draft_params,
    in_our_whole_units,
    tenant_mark,
)
from tenants.models import Tenant
from tests.metering.billing.providers.scene import lines_of

AMOUNTS = st.lists(
    st.integers(min_value=-(10**6), max_value=10**8), min_size=1, max_size=400
)
TENANT = Tenant(
    id=7,
    slug="acme",
    name="Acme",
    created_at=dt.datetime(2026, 11, 1, 0, 0, 0, 1, tzinfo=dt.UTC),
)


def _invoice() -> Invoice:
    period = Period(first_date=dt.date(2026, 11, 1), end_date=dt.date(2026, 12, 1))
    return Invoice(
        id=1,
        public_id=uuid.UUID(int=1),
        tenant_id=7,
        period=period,
        currency="USD",
        lines_sha256="ab" * 32,
    )


@given(AMOUNTS)
def test_folding_changes_no_sum_and_keeps_the_largest(amounts: list[int]) -> None:
    invoice = _invoice()
    lines = draft_lines(invoice, lines_of(invoice, amounts))
    assert len(lines) == min(len(amounts), LINES_MAX)
    assert sum(line.amount_minor for line in lines) == sum(amounts)
    assert len({line.mark for line in lines}) == len(lines)
    kept = {int(line.mark) for line in lines if line.mark != OTHER}
    if len(amounts) > LINES_MAX:
        folded = [abs(a) for i, a in enumerate(amounts, 1) if i not in kept]
        assert max(folded) <= min(abs(amounts[i - 1]) for i in kept)
    else:
        assert len(kept) == len(amounts)


@given(AMOUNTS)
def test_lines_are_the_same_at_every_attempt(amounts: list[int]) -> None:
    invoice = _invoice()
    lines = draft_lines(invoice, lines_of(invoice, amounts))
    shuffled = list(reversed(lines_of(invoice, amounts)))
    assert set(draft_lines(invoice, shuffled)) == set(lines)
    portions = batches(lines)
    assert [line for portion in portions for line in portion] == list(lines)
    assert all(1 <= len(portion) <= LINES_PER_CALL for portion in portions)


def test_a_line_is_one_integer_amount_with_its_price_in_words() -> None:
    invoice = _invoice()
    [line] = draft_lines(invoice, lines_of(invoice, [1234]))
    assert line.params() == {
        "amount": 1234,
        "description": "model-1, input tokens: 1,000,000 at 3.00 USD per million",
        "discountable": False,
        "metadata": {"tollgate_line": "1"},
    }


def test_tax_and_fees_are_never_folded() -> None:
    invoice = _invoice()
    lines = lines_of(invoice, [1000] * (LINES_MAX + 20) + [1, 0])
    lines[-2].kind, lines[-1].kind = InvoiceLine.Kind.FEE, InvoiceLine.Kind.TAX
    marks = {line.mark for line in draft_lines(invoice, lines)}
    assert {str(line.position) for line in lines[-2:]} < marks
    assert OTHER in marks


def test_a_line_without_a_price_is_its_words() -> None:
    invoice = _invoice()
    (line,) = lines_of(invoice, [-700])
    line.kind, line.unit_picos, line.description = "credit", None, "Credit, a gift"
    (sent,) = draft_lines(invoice, [line])
    assert (sent.amount_minor, sent.description) == (-700, "Credit, a gift")


def test_a_top_up_names_no_period() -> None:
    invoice = _invoice()
    invoice.period = None
    params = draft_params(invoice, customer="cus_1", days_until_due=30)
    assert params["metadata"] == {
        "tollgate_invoice": "00000000-0000-0000-0000-000000000001",
        "tollgate_lines_sha256": "ab" * 32,
    }


def test_a_draft_stays_one_until_we_finalise_it() -> None:
    params = draft_params(_invoice(), customer="cus_1", days_until_due=30)
    assert params["auto_advance"] is False
    assert params["pending_invoice_items_behavior"] == "exclude"
    assert params["collection_method"] == "send_invoice"
    assert params["days_until_due"] == 30
    assert params["metadata"] == {
        "tollgate_invoice": "00000000-0000-0000-0000-000000000001",
        "tollgate_lines_sha256": "ab" * 32,
        "tollgate_period": "2026-11-01/2026-12-01",
    }


def test_a_tenant_s_mark_is_not_taken_by_the_next_database() -> None:
    other = Tenant(
        id=7, slug="acme", created_at=TENANT.created_at + dt.timedelta.resolution
    )
    assert tenant_mark(TENANT) != tenant_mark(other)
    assert tenant_mark(TENANT).startswith("7-")


def test_an_unknown_address_is_not_sent() -> None:
    assert "email" not in customer_params(TENANT)


def test_parts_of_our_unit_stay_there() -> None:
    assert in_our_whole_units(100_050, "isk") == 1_000
    assert in_our_whole_units(99, "UGX") == 0
    assert in_our_whole_units(105, "USD") == 105
