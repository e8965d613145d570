"""A month is invoiced, paid, closed by one person and locked by another."""

import datetime as dt
import re
from collections.abc import Callable

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import Page, expect

from kit.contracts import TokenCounts
from kit.orm.roles import as_operator
from metering.billing.models import Invoice
from metering.billing.services import issue_invoice
from metering.jobs.stepping import work
from metering.ledger.locking import is_locked
from metering.reconciliation.asking import make_asked
from metering.usage.models import Epoch
from metering.usage.services import roll_up
from tests.browser.watch import Watched
from tests.factories.billing import FIRST, make_draft

pytestmark = pytest.mark.timeout(300)

MONTH = f"{FIRST:%Y-%m}"
CLOSE = f"/finance/close/{MONTH}/"


@pytest.fixture
def draft(origin: str) -> Invoice:
    """Provide a month that is over, with one invoice of it, still a draft."""
    made = make_draft(counts=TokenCounts(output_tokens=1_000_000))
    with as_operator():
        roll_up()
        # As a gateway would have said it.
        Epoch.objects.update(admitted=F("last_seq"), settled=F("last_seq"))
    return made


def workers_turn() -> None:
    """Do what workers find to be done of the check."""
    with as_operator():
        now = timezone.now()
        while work(now=now):
            now += dt.timedelta(seconds=1)
        make_asked(now=now)
        work(now=now + dt.timedelta(minutes=1))


def sign(page: Page, step: int) -> None:
    """Sign a step."""
    page.get_by_role("button", name=f"step {step}").click()
    expect(page.get_by_role("status").filter(has_text="Signed:")).to_be_visible()


def test_a_month_is_invoiced_paid_and_closed_by_two_people(
    as_staff: Callable[[str], Watched], draft: Invoice
) -> None:
    finance = as_staff("Finance")
    page = finance.open(CLOSE)
    steps = page.get_by_role("listitem")
    invoiced = steps.filter(has_text="Invoices are final")
    expect(invoiced).to_contain_text("to do")
    with as_operator():
        invoice = issue_invoice(invoice=draft, now=timezone.now())

    page = finance.open("/admin/billing/invoice/")
    page.get_by_role("link", name=str(invoice.number)).click()
    page.get_by_role("link", name="Record payment").click()
    page.locator("[name=amount_minor]").fill(str(invoice.amount_minor))
    page.locator("[name=reference]").fill("transfer 4711")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully").first).to_be_visible()
    finance.check()
    with as_operator():
        invoice.refresh_from_db()
    assert invoice.state == Invoice.State.PAID

    page = finance.open(CLOSE)
    page.get_by_role("button", name="Check the month now").click()
    expect(page.get_by_text("days worked out")).to_be_visible()
    workers_turn()
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text("Last check: Done")).to_be_visible()
    for step in (5, 8, 12):
        sign(page, step)
    expect(page.get_by_text("12 of 13 steps done")).to_be_visible()
    expect(page.get_by_role("link", name="Approve and lock")).to_have_count(0)
    finance.open(f"{CLOSE}lock/")
    finance.check()

    approver = as_staff("Finance approvers")
    page = approver.open(CLOSE)
    expect(page.get_by_role("button", name=re.compile("^Sign.* step"))).to_have_count(0)
    page.get_by_role("link", name="Approve and lock").click()
    expect(page.get_by_text("The books of 1 tenant")).to_be_visible()
    approver.check()
    page.get_by_role("button", name="Approve and lock").click()
    expect(page.get_by_text(f"{MONTH} is locked.")).to_be_visible()
    expect(page.get_by_text("13 of 13 steps done")).to_be_visible()
    approver.check()
    with as_operator():
        assert is_locked(FIRST)
