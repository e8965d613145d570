"""Credit notes: numbers, what they book, and where the money goes that was paid."""

import datetime as dt

import pytest

from kit.errors import Conflict
from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.ledger.models import Account, CreditGrant
from metering.receivables import services
from metering.receivables.models import CreditNote, CreditNoteLine, Refund
from metering.receivables.services import Wanted
from tests.factories.receivables import (
    ISSUED,
    TAXED,
    Kind,
    make_invoice,
    receivable_minor,
    standing_on,
)

pytestmark = pytest.mark.usefixtures("operator_db")
NOW = ISSUED + dt.timedelta(days=3)
TOTAL = 14_280


def note(
    invoice: Invoice,
    lines: dict[int, int] | None = None,
    *,
    reason: str = "Wrong.",
    reference: str = "ticket 1",
    outlet: str = "",
) -> CreditNote:
    """Issue a credit note."""
    wanted = Wanted(reason, reference, lines, outlet)
    return services.issue_credit_note(invoice=invoice, wanted=wanted, now=NOW)


def pay(invoice: Invoice, minor: int = TOTAL, reference: str = "paid") -> None:
    """Record a payment."""
    services.record_payment(
        invoice=invoice,
        amount_minor=minor,
        reference=reference,
        received_at=NOW,
        now=NOW,
    )


def stands(invoice: Invoice) -> tuple[str, int, int, int]:
    """Return the state, what was paid and credited, and what is open by the ledger."""
    invoice.refresh_from_db()
    owed = receivable_minor(invoice.tenant)
    return invoice.state, invoice.paid_minor, invoice.credited_minor, owed


def earned(invoice: Invoice, *kinds: Account.Kind) -> list[int]:
    """Return what stands on accounts."""
    return [standing_on(invoice.tenant, kind) for kind in kinds]


def test_a_note_of_all_voids_an_unpaid_invoice() -> None:
    invoice = make_invoice()
    kinds = (Account.Kind.REVENUE, Account.Kind.TAX, Account.Kind.DISCOUNTS)
    before = earned(invoice, *kinds)
    row = note(invoice)
    assert (row.number, row.amount_minor, row.tax_minor) == (
        "CN-2026-000001",
        TOTAL,
        2_280,
    )
    lines = row.lines.values_list("position", "kind", "amount_minor")
    assert list(lines) == [
        (position, kind, minor) for position, (kind, minor) in enumerate(TAXED, 1)
    ]
    assert stands(invoice) == ("void", 0, TOTAL, 0)
    moved = zip(earned(invoice, *kinds), before, strict=True)
    assert [after - was for after, was in moved] == [15_000, 2_280, -3_000]


def test_notes_of_a_part_and_their_tax_leave_the_rest_open() -> None:
    invoice = make_invoice()
    row = note(invoice, {2: 1_000})
    assert (row.amount_minor, row.tax_minor) == (1_190, 190)
    assert stands(invoice) == ("open", 0, 1_190, TOTAL - 1_190)
    assert note(invoice, {2: 1_000}) == row
    with pytest.raises(Conflict, match="Another credit note"):
        note(invoice, {2: 999})
    rest = note(invoice, reference="ticket 2")
    assert rest.number == "CN-2026-000002"
    assert stands(invoice) == ("void", 0, TOTAL, 0)
    with pytest.raises(Conflict, match="Nothing is left"):
        note(invoice, reference="ticket 3")


def test_the_same_reference_is_the_same_note_or_a_conflict() -> None:
    invoice = make_invoice()
    pay(invoice)
    row = note(invoice, {1: 100, 2: 0}, outlet="paid_back")
    assert note(invoice, {1: 100, 2: 0}, outlet="paid_back") == row
    other: list[tuple[dict[int, int] | None, str]] = [
        (None, "paid_back"),
        ({1: 100, 2: 1}, "paid_back"),
        ({1: 100}, "credit"),
    ]
    for lines, outlet in other:
        with pytest.raises(Conflict, match="Another credit note"):
            note(invoice, lines, outlet=outlet)
    rest = note(invoice, reference="ticket 2", outlet="credit")
    again = note(invoice, reference="ticket 2", outlet="credit")
    assert again == rest != row
    assert CreditNote.objects.count() == 2


def test_a_note_that_is_refused_gives_its_number_back() -> None:
    invoice = make_invoice()
    pay(invoice)
    with (
        pytest.raises(Conflict, match=r"142\.80 EUR was paid: say by outlet"),
        atomic(),
    ):
        note(invoice)
    assert not CreditNote.objects.exists()
    assert not CreditNoteLine.objects.exists()
    assert note(invoice, outlet="paid_back").number == "CN-2026-000001"


@pytest.mark.parametrize("outlet", ["paid_back", "credit"])
def test_what_was_paid_goes_back_the_latest_first(outlet: str) -> None:
    invoice = make_invoice()
    pay(invoice, 280, "first")
    pay(invoice, 10_000, "second")
    note(invoice, outlet=outlet)
    assert stands(invoice) == ("void", 0, TOTAL, 0)
    refunds = Refund.objects.order_by("pk").values_list(
        "payment__reference", "amount_minor", "outlet"
    )
    assert list(refunds) == [("second", 10_000, outlet), ("first", 280, outlet)]
    kept = 10_280 if outlet == "credit" else 0
    assert earned(invoice, Account.Kind.CASH, Account.Kind.WALLET) == [kept, -kept]


def test_a_note_takes_back_what_was_given_up_before_money() -> None:
    invoice = make_invoice()
    pay(invoice, 280)
    services.write_off(invoice=invoice, reason="Gone.", now=NOW)
    note(invoice, {1: 10_000})
    assert stands(invoice) == ("uncollectible", 280, 11_900, 0)
    assert earned(invoice, Account.Kind.BAD_DEBT) == [2_100]
    note(invoice, reference="ticket 2", outlet="paid_back")
    assert stands(invoice) == ("void", 0, TOTAL, 0)
    assert earned(invoice, Account.Kind.BAD_DEBT, Account.Kind.CASH) == [0, 0]


def test_credit_that_paid_is_credit_again_after_the_money() -> None:
    lines = [(Kind.COMPONENT, 10_000), (Kind.CREDIT, -6_000), (Kind.TAX, 1_900)]
    invoice = make_invoice(lines)
    assert invoice.amount_minor == 5_900
    pay(invoice, 900)
    row = note(invoice, outlet="paid_back")
    assert (row.amount_minor, row.tax_minor, row.restored_minor) == (
        11_900,
        1_900,
        6_000,
    )
    assert stands(invoice) == ("void", 0, 5_900, 0)
    (grant,) = CreditGrant.objects.all()
    assert (grant.source, grant.amount_picos) == ("adjustment", 60 * 10**12)
    assert earned(invoice, Account.Kind.WALLET, Account.Kind.CASH) == [-6_000, 0]


def test_numbers_are_of_one_series_without_gaps() -> None:
    numbers = [note(make_invoice()).number for _ in range(3)]
    assert numbers == [f"CN-2026-00000{number}" for number in (1, 2, 3)]


def test_what_is_another_providers_is_credited_here_too() -> None:
    invoice = make_invoice(provider="stripe")
    note(invoice)
    invoice.refresh_from_db()
    assert invoice.state == "void"


def test_whoever_computed_the_tax_issues_the_note() -> None:
    automatic = {"tax": {"kind": "automatic", "note": "", "rates": []}}
    with pytest.raises(Conflict, match="issue its credit note there"):
        note(make_invoice(provider="stripe", basis=automatic))
