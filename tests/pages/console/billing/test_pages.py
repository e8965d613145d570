"""What a member reads of what the tenant owes, and who may not."""

import csv
import datetime as dt

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from kit.contracts import TokenCounts
from kit.orm.roles import APP, as_operator
from metering.billing.models import Invoice
from metering.billing.services import issue_invoice
from metering.ledger.services import grant_credit
from metering.receivables.services import record_payment
from metering.usage.services import cover
from pages import explained
from tenants.models import Member, Tenant
from tests.factories.accounts import sign_in
from tests.factories.billing import CLOSED, STARTED, make_draft, make_tenant_of
from tests.factories.receivables import make_invoice
from tests.factories.tenants import make_member, make_tenant
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")

MANY = TokenCounts(
    input_tokens=90_000_000, cached_input_tokens=0, output_tokens=7_000_000
)
PAID_AT = dt.datetime(2026, 10, 9, 12, tzinfo=dt.UTC)


def billed(role: str = "billing") -> tuple[Client, Member, Invoice]:
    """Return a member's browser, the member, and an issued invoice of use."""
    tenant = make_tenant_of()
    draft = make_draft(tenant=tenant, counts=MANY)
    with as_operator():
        invoice = issue_invoice(invoice=draft, now=CLOSED)
        invoice.refresh_from_db()
        assert invoice.amount_minor
        now = dt.datetime.now(dt.UTC)
        cover(tenant=tenant, earliest=now, latest=now)
    member = make_member(tenant=tenant, role=role)
    return sign_in(Client(), member.user), member, invoice


def page(member: Member, rest: str = "") -> str:
    """Return the address of a page of billing."""
    return f"/console/{member.tenant.slug}/billing/{rest}"


def test_an_invoice_opens_to_its_lines_days_and_requests() -> None:
    browser, member, invoice = billed()

    listed = browser.get(page(member, "invoices/")).content
    rows = tables(listed)["Invoices"]
    assert rows[1][0] == invoice.number
    assert "overdue" in text(listed)

    address = reverse("console:invoice", args=[member.tenant.slug, invoice.public_id])
    shown = browser.get(address).content
    assert f'href="{address}lines/1/"' in shown.decode()
    line = browser.get(f"{address}lines/1/").content
    assert "its days add up" in text(line)
    assert f'href="{address}lines/1/2026-09-10/"' in line.decode()
    day = browser.get(f"{address}lines/1/2026-09-10/").content
    assert "its requests add up" in text(day)


def test_a_files_rows_are_the_lines_and_sum_to_the_invoice() -> None:
    browser, member, invoice = billed()
    address = reverse("console:invoice", args=[member.tenant.slug, invoice.public_id])

    file = browser.get(f"{address}?file=lines")
    rows = list(csv.DictReader(file.content.decode().splitlines()))

    with as_operator():
        assert len([row for row in rows if row["line"]]) == invoice.lines.count()
    cents = sum(round(100 * float(row["amount"] or 0)) for row in rows)
    assert cents == invoice.amount_minor


def test_a_days_file_is_whole_or_refused_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser, member, invoice = billed()
    address = reverse("console:invoice", args=[member.tenant.slug, invoice.public_id])
    day = f"{address}lines/1/2026-09-10/?file=requests"

    file = browser.get(day)
    assert file["X-Row-Count"] == "1"
    assert len(file.content.decode().splitlines()) == 2

    monkeypatch.setattr(explained, "FILE_REQUESTS_MAX", 0)
    refused = browser.get(day)
    assert refused.status_code == 400
    assert "a file of them at most 0" in text(refused.content)


def test_what_came_of_an_invoice_is_told() -> None:
    tenant = make_tenant(currency="EUR")
    invoice = make_invoice(tenant=tenant)
    with as_operator():
        record_payment(
            invoice=invoice,
            amount_minor=4_280,
            reference="bank 7",
            received_at=PAID_AT,
            now=PAID_AT,
        )
    member = make_member(tenant=tenant, role="admin")
    address = reverse("console:invoice", args=[tenant.slug, invoice.public_id])

    shown = sign_in(Client(), member.user).get(address).content

    assert "To be paid 100.00 EUR" in text(shown)
    happened = tables(shown)["What came of it"]
    assert happened[1][1].startswith("paid")
    assert happened[1][2] == "42.80"


def test_a_draft_is_no_invoice_to_its_tenant() -> None:
    tenant = make_tenant_of()
    draft = make_draft(tenant=tenant)
    member = make_member(tenant=tenant)
    browser = sign_in(Client(), member.user)
    address = reverse("console:invoice", args=[tenant.slug, draft.public_id])

    for each in (address, f"{address}pdf/", f"{address}lines/1/"):
        assert browser.get(each).status_code == 404
    assert draft.public_id.hex not in browser.get(
        page(member, "invoices/")
    ).content.decode().replace("-", "")


def test_an_invoice_of_another_tenant_is_not_there() -> None:
    theirs = make_invoice()
    member = make_member()
    place = [member.tenant.slug, theirs.public_id]
    browser = sign_in(Client(), member.user)

    assert browser.get(reverse("console:invoice", args=place)).status_code == 404
    assert browser.get(reverse("console:invoice_pdf", args=place)).status_code == 404


@pytest.mark.parametrize("role", ["developer", "viewer"])
@pytest.mark.parametrize("rest", ["", "invoices/", "credit/", "top-up/"])
def test_who_may_not_see_what_is_owed_is_told_whom_to_ask(role: str, rest: str) -> None:
    member = make_member(role=role)
    browser = sign_in(Client(), member.user)

    answer = browser.get(page(member, rest))

    assert answer.status_code == 403
    assert "Ask an owner or admin" in text(answer.content)
    home = browser.get(f"/console/{member.tenant.slug}/tokens/").content.decode()
    assert "/billing/" not in home


def test_a_statement_reconciles_and_shows_grants() -> None:
    tenant = make_tenant(payment_mode=Tenant.PaymentMode.PREPAID)
    now = dt.datetime.now(dt.UTC)
    with as_operator():
        grant_credit(
            tenant=tenant,
            source="top_up",
            amount_picos=25 * 10**12,
            reference="top-up 1",
            now=now,
        )
        cover(tenant=tenant, earliest=now, latest=now)
    member = make_member(tenant=tenant, role="billing")

    shown = sign_in(Client(), member.user).get(page(member, "credit/")).content

    said = text(shown)
    assert "Available now 25.00 USD" in said
    assert "Closing 25.00 USD" in said
    rows = tables(shown)
    assert rows["Statement"][1][1].startswith("credit given")
    assert rows["Statement"][1][2] == "25.00"
    assert rows["Grants"][1][0] == "top-up 1"


def test_a_statement_leads_to_the_invoice_that_credit_paid_for() -> None:
    tenant = make_tenant_of()
    with as_operator():
        grant_credit(
            tenant=tenant,
            source="top_up",
            amount_picos=10**12,
            reference="top-up 1",
            now=STARTED,
        )
        invoice = issue_invoice(
            invoice=make_draft(tenant=tenant, counts=MANY), now=CLOSED
        )
    member = make_member(tenant=tenant, role="billing")

    address = page(member, f"credit/?month={CLOSED:%Y-%m}")
    shown = sign_in(Client(), member.user).get(address).content

    assert tables(shown)["Statement"][1][1] == f"use on invoice {invoice.number}"
    bill = reverse("console:invoice", args=[tenant.slug, invoice.public_id])
    assert f'href="{bill}"' in shown.decode()


def test_an_overview_says_what_is_due_and_what_is_coming() -> None:
    browser, member, invoice = billed("owner")

    said = text(browser.get(page(member)).content)

    assert "Amount due" in said
    assert "overdue" in said
    assert "Used so far 0.00 USD" in said
    assert str(invoice.number) in said


def test_a_page_asks_equally_many_questions_of_any_number_of_invoices() -> None:
    tenant = make_tenant(currency="EUR")
    member = make_member(tenant=tenant)
    browser = sign_in(Client(), member.user)
    asked = []
    for number in range(9):
        make_invoice(tenant=tenant)
        if number in (1, 8):
            asked.append([_questions(browser, page(member, each)) for each in PAGES])
    few, many = asked
    assert few == many
    assert max(many) <= 40


PAGES = ("", "invoices/", "credit/")


def _questions(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connections[APP]) as found:
        assert browser.get(address).status_code == 200
    return len(found)
