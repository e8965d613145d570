"""Unpaid invoices are followed up to the suspension, and let go of when paid."""

import datetime as dt
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from pytest_django.fixtures import Settings

from kit.orm.atomic import cursor
from metering.billing.models import Invoice
from metering.receivables import dunning, mails, services
from metering.receivables.models import DunningStep
from metering.receivables.services import Wanted
from tenants.mails import sending
from tenants.models import Mail as MailRow
from tenants.models import Tenant
from tenants.services import restore_tenant, suspend_tenant, update_tenant
from tests.factories.receivables import ISSUED, make_invoice
from tests.factories.tenants import make_member, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")
DAY = dt.timedelta(days=1)
TOTAL = 14_280


@pytest.fixture(autouse=True)
def schedule(settings: Settings) -> None:
    """Follow up after 3, 7 and 14 days."""
    settings.DUNNING_DAYS = (3, 7, 14)
    settings.EMAIL_IS_SET = True


@pytest.fixture
def tenant() -> Tenant:
    """Provide a tenant with an address."""
    return make_tenant(
        currency="EUR", name="Acme http://x Ltd", billing_email="pay@acme.example"
    )


@pytest.fixture
def invoice(tenant: Tenant) -> Invoice:
    """Provide an issued invoice over 142.80."""
    return make_invoice(tenant=tenant)


def at(invoice: Invoice, day: int) -> dt.datetime:
    """Return noon, so many days after the invoice is due."""
    assert invoice.due_date is not None
    noon = dt.datetime.combine(invoice.due_date, dt.time(12), tzinfo=dt.UTC)
    return noon + day * DAY


def followed(invoice: Invoice, *days: int) -> list[str]:
    """Scan on these days; return the kinds of all steps so far."""
    for day in days:
        dunning.dun(now=at(invoice, day))
    steps = DunningStep.objects.filter(tenant=invoice.tenant).order_by("pk")
    return list(steps.values_list("kind", flat=True))


def standing(tenant: Tenant) -> tuple[str, str]:
    """Return whether a tenant is suspended, and for what."""
    tenant.refresh_from_db()
    return tenant.state, tenant.suspended_for


def pay(invoice: Invoice, now: dt.datetime, reference: str = "paid") -> Any:
    """Pay all of an invoice."""
    return services.record_payment(
        invoice=invoice,
        amount_minor=TOTAL,
        reference=reference,
        received_at=now,
        now=now,
    )


def test_two_reminders_then_the_suspension_each_once(invoice: Invoice) -> None:
    assert followed(invoice, 0, 2) == []
    assert followed(invoice, 3, 3, 4, 6) == ["reminder"]
    assert followed(invoice, 7, 8, 13) == ["reminder", "reminder"]
    assert standing(invoice.tenant) == ("active", "")
    assert followed(invoice, 14, 14, 30)[2:] == ["suspension"]
    assert standing(invoice.tenant) == ("suspended", "unpaid")


def test_a_payment_restores_the_tenant_in_its_transaction(invoice: Invoice) -> None:
    followed(invoice, 3, 7, 14)
    services.record_payment(
        invoice=invoice,
        amount_minor=TOTAL - 1,
        reference="nearly",
        received_at=at(invoice, 15),
        now=at(invoice, 15),
    )
    assert standing(invoice.tenant) == ("suspended", "unpaid")
    services.record_payment(
        invoice=invoice,
        amount_minor=1,
        reference="the cent",
        received_at=at(invoice, 15),
        now=at(invoice, 15),
    )
    assert standing(invoice.tenant) == ("active", "")
    assert followed(invoice, 30)[3:] == ["recovery"]


@pytest.mark.parametrize("how", ["note", "write off", "hold"])
def test_whatever_settles_or_holds_it_restores_too(invoice: Invoice, how: str) -> None:
    followed(invoice, 3, 7, 14)
    said: Any = {"invoice": invoice, "now": at(invoice, 15)}
    if how == "note":
        services.issue_credit_note(wanted=Wanted("Ours.", "ticket"), **said)
    elif how == "write off":
        services.write_off(reason="Gone.", **said)
    else:
        services.hold_invoice(kind="dispute", reason="Says no.", **said)
    assert standing(invoice.tenant) == ("active", "")


def test_what_people_suspended_no_payment_restores(invoice: Invoice) -> None:
    suspend_tenant(tenant=invoice.tenant)
    followed(invoice, 3, 7, 14)
    pay(invoice, at(invoice, 15))
    assert standing(invoice.tenant) == ("suspended", "")


def test_people_make_a_suspension_theirs_and_end_it(invoice: Invoice) -> None:
    followed(invoice, 3, 7, 14)
    suspend_tenant(tenant=invoice.tenant)
    assert standing(invoice.tenant) == ("suspended", "")
    restore_tenant(tenant=invoice.tenant)
    # What people restored is not suspended by the next scan for the same invoice.
    followed(invoice, 15, 40)
    assert standing(invoice.tenant) == ("active", "")


def test_a_tenant_stays_suspended_while_another_invoice_suspends_it(
    invoice: Invoice,
) -> None:
    other = make_invoice(tenant=invoice.tenant)
    followed(invoice, 3, 7, 14)
    pay(invoice, at(invoice, 15))
    assert standing(invoice.tenant) == ("suspended", "unpaid")
    pay(other, at(invoice, 15), "the other")
    assert standing(invoice.tenant) == ("active", "")


def test_what_is_held_is_not_followed_up_and_begins_anew_after(
    invoice: Invoice,
) -> None:
    followed(invoice, 3)
    said: Any = {"invoice": invoice, "kind": "dispute", "reason": "Says no."}
    services.hold_invoice(now=at(invoice, 4), **said)
    assert followed(invoice, 7, 14, 30) == ["reminder"]
    services.release_invoice(invoice=invoice, now=at(invoice, 30))
    assert followed(invoice, 32) == ["reminder"]
    assert followed(invoice, 33, 37, 44)[1:] == ["reminder", "reminder", "suspension"]


def test_a_payment_that_is_charged_back_begins_the_schedule_anew(
    invoice: Invoice,
) -> None:
    followed(invoice, 3, 7, 14)
    payment = pay(invoice, at(invoice, 15))
    services.refund_payment(
        payment=payment,
        amount_minor=TOTAL,
        outlet="charge_back",
        reference="returned",
        reason="No funds.",
        now=at(invoice, 20),
    )
    assert standing(invoice.tenant) == ("active", "")
    kinds = followed(invoice, 22, 23, 27, 34)
    assert kinds[4:] == ["reminder", "reminder", "suspension"]
    assert standing(invoice.tenant) == ("suspended", "unpaid")


def test_what_is_followed_up_anew_suspends_nobody_until_its_last_step(
    invoice: Invoice,
) -> None:
    other = make_invoice(tenant=invoice.tenant)
    followed(invoice, 3, 7, 14)
    services.refund_payment(
        payment=pay(invoice, at(invoice, 15)),
        amount_minor=TOTAL,
        outlet="charge_back",
        reference="returned",
        reason="No funds.",
        now=at(invoice, 20),
    )
    pay(other, at(invoice, 21), "the other")
    assert standing(invoice.tenant) == ("active", "")


@pytest.mark.parametrize(
    "changes", [{"provider": "stripe"}, {"kind": "top_up", "period": None}]
)
def test_what_others_follow_up_or_owes_nothing_is_left_alone(
    tenant: Tenant, changes: Any
) -> None:
    assert followed(make_invoice(tenant=tenant, **changes), 3, 14) == []


def test_days_are_those_of_the_tenants_zone(settings: Settings) -> None:
    settings.DUNNING_DAYS = (1,)
    tenant = make_tenant(currency="EUR", zone="Pacific/Kiritimati")
    invoice = make_invoice(tenant=tenant)
    assert invoice.due_date is not None
    # Its next day begins there at ten in the morning of this one, in UTC.
    noon = dt.datetime.combine(invoice.due_date, dt.time(10), tzinfo=dt.UTC)
    assert dunning.dun(now=noon - dt.timedelta(microseconds=1)) == 0
    assert dunning.dun(now=noon) == 1


def test_each_step_is_mailed_once_with_what_is_open(invoice: Invoice) -> None:
    pay_some: Any = {"invoice": invoice, "received_at": ISSUED, "now": ISSUED}
    services.record_payment(amount_minor=280, reference="some", **pay_some)
    for day in (3, 7, 14):
        followed(invoice, day)
        assert mails.send_mails(now=at(invoice, day)) == 1
        assert mails.send_mails(now=at(invoice, day)) == 0
    first, _, last = mail.outbox
    assert first.to == ["pay@acme.example"]
    said = f"Invoice {invoice.number} of Acme x Ltd is overdue, 140.00 EUR"
    assert first.subject == said
    assert invoice.due_date is not None
    stops = invoice.due_date + dt.timedelta(days=14)
    assert f"will be refused from {stops} on" in first.body
    assert "140.00 EUR of it is open" in first.body
    assert f"was due on {invoice.due_date}" in first.body
    assert "“Acme x Ltd”" in first.body
    assert "Suspended" in last.subject
    services.record_payment(amount_minor=14_000, reference="rest", **pay_some)
    assert mails.send_mails(now=at(invoice, 15)) == 1
    assert "Your calls are served again" in mail.outbox[-1].body


def test_a_mail_that_fails_is_tried_again_and_given_up(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError

    followed(invoice, 3)
    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", refuse)
    now = at(invoice, 3)
    assert mails.send_mails(now=now) == 0
    row = DunningStep.objects.get()
    assert (row.mail, row.mail_attempts) == ("waiting", 1)
    assert row.mail_due_at == now + mails.RETRY_AFTER[0]
    for _ in mails.RETRY_AFTER:
        now += DAY
        mails.send_mails(now=now)
    row.refresh_from_db()
    assert row.mail == "failed"


def test_a_step_is_mailed_again_to_whom_it_did_not_reach_alone(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_member(tenant=invoice.tenant, role="billing", email="carol@acme.example")
    followed(invoice, 3)
    send = mail.EmailMultiAlternatives.send

    def refuse_one(message: mail.EmailMultiAlternatives) -> int:
        if message.to == ["pay@acme.example"]:
            raise SMTPRecipientsRefused({"pay@acme.example": (451, b"later")})
        return send(message)

    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", refuse_one)
    now = at(invoice, 3)
    assert mails.send_mails(now=now) == 0
    monkeypatch.undo()
    assert mails.send_mails(now=now + DAY) == 1
    assert [each.to[0] for each in mail.outbox] == [
        "carol@acme.example",
        "pay@acme.example",
    ]
    row = MailRow.objects.get()
    assert (row.state, row.refused) == ("sent", [])
    assert row.addresses == ["carol@acme.example", "pay@acme.example"]


def test_one_whose_attempts_all_break_off_can_be_sent_again(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: mail.EmailMultiAlternatives) -> int:
        raise KeyboardInterrupt

    followed(invoice, 3)
    now = at(invoice, 3)
    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", killed)
    for _ in mails.RETRY_AFTER:
        with pytest.raises(KeyboardInterrupt):
            mails.send_mails(now=now)
        now += DAY
    monkeypatch.undo()
    assert mails.send_mails(now=now) == 0
    row = MailRow.objects.get()
    assert DunningStep.objects.get().mail == row.state == "failed"
    assert row.problem == "the last attempt broke off"

    sending.send_again(mail=row, now=now)
    assert sending.send_waiting(now=now) == 1
    assert mail.outbox[-1].to == ["pay@acme.example"]


def test_whoever_the_server_hangs_up_on_stands_behind_the_others_next_time(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("carol", "dora"):
        make_member(tenant=invoice.tenant, role="billing", email=f"{name}@acme.example")
    followed(invoice, 3)
    send, tried = mail.EmailMultiAlternatives.send, []

    def hang_up(message: mail.EmailMultiAlternatives) -> int:
        tried.append(message.to[0])
        if message.to[0] != "dora@acme.example":
            raise SMTPServerDisconnected
        return send(message)

    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", hang_up)
    now = at(invoice, 3)
    assert mails.send_mails(now=now) == 0
    assert len(tried) == 2
    mails.send_mails(now=now + DAY)
    assert tried[2] == "dora@acme.example"
    assert [each.to for each in mail.outbox] == [["dora@acme.example"]]


def test_one_whose_turn_has_not_come_is_not_claimed(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second worker does not find it due again while the first is slow."""
    followed(invoice, 3, 7)
    waiting: list[int] = []

    def look(message: mail.EmailMultiAlternatives) -> int:
        waiting.append(DunningStep.objects.filter(mail_attempts=0).count())
        return 1

    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", look)
    assert mails.send_mails(now=at(invoice, 7)) == 2
    assert waiting == [1, 0]


def test_a_run_that_takes_long_claims_no_more(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed(invoice, 3)
    monkeypatch.setattr(mails, "RUN_S_MAX", 0.0)
    assert mails.send_mails(now=at(invoice, 3)) == 0
    assert DunningStep.objects.get().mail_attempts == 0


def test_one_whose_last_attempt_broke_off_is_given_up(invoice: Invoice) -> None:
    followed(invoice, 3)
    DunningStep.objects.update(mail_attempts=len(mails.RETRY_AFTER))
    assert mails.send_mails(now=at(invoice, 3)) == 0
    assert DunningStep.objects.get().mail == "failed"
    assert not mail.outbox


def test_without_an_address_or_a_server_the_steps_are_taken_all_the_same(
    settings: Settings, invoice: Invoice
) -> None:
    settings.EMAIL_IS_SET = False
    followed(invoice, 3)
    assert mails.send_mails(now=at(invoice, 3)) == 0
    update_tenant(tenant=invoice.tenant, billing_email="")
    followed(invoice, 7)
    steps = DunningStep.objects.order_by("pk").values_list("mail", flat=True)
    assert list(steps) == ["waiting", "no_address"]


def test_what_is_overdue_is_found_without_reading_every_invoice() -> None:
    overdue = dunning.followed().filter(due_date__lt=dt.date(2027, 1, 1))
    with cursor() as session:
        # A table of a test is too small for its indexes to be worth it.
        session.execute("SET LOCAL enable_seqscan = off")
        assert "invoice_to_follow_up" in overdue.explain()
