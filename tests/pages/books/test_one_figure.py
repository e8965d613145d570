"""A figure is the same wherever it is shown: on pages, in the API and in the ledger."""

import csv
import datetime as dt
import io
import json
import re
from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.conf import settings
from django.test import Client

from kit.money import format_minor, picos_from_minor
from kit.orm.roles import as_operator
from metering.economics.selectors import margin
from metering.economics.services import work_out
from metering.ledger.earned import ACCOUNTS
from metering.ledger.models import Account, Entry, Transaction
from metering.ledger.months import month_after, trial_balance, turnovers
from pages.figures import rounded
from tests.factories.accounts import make_person, sign_in
from tests.factories.tenants import make_member
from tests.pages.books.world import OCTOBER, SEPTEMBER, Books, fill
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")
ONE_DAY = dt.timedelta(days=1)
LATER = dt.datetime(2026, 11, 5, tzinfo=dt.UTC)


@dataclass(frozen=True)
class World:
    """The books, and everybody who looks at them."""

    books: Books
    staff: Client
    owner: Client
    api: Client

    def page(self, address: str) -> str:
        """Return what a page of staff says."""
        answer = self.staff.get(address)
        assert answer.status_code == 200, text(answer.content)
        return text(answer.content)

    def console(self, page: str) -> str:
        """Return what a page of the tenant that pays its bills says to its owner."""
        answer = self.owner.get(f"/console/{self.books.postpaid.slug}/{page}")
        assert answer.status_code == 200, text(answer.content)
        return text(answer.content)

    def file(self, address: str) -> list[dict[str, str]]:
        """Return the rows of a file of staff's."""
        body = self.staff.get(address).content.decode()
        return list(csv.DictReader(io.StringIO(body)))

    def asked(self, address: str) -> dict[str, object]:
        """Return what the API answers an operator."""
        answer = self.api.get(f"/api/v1/{address}")
        assert answer.status_code == 200, answer.content
        found = json.loads(answer.content)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def world() -> World:
    with as_operator():
        books = fill()
        for month in (SEPTEMBER, OCTOBER):
            for number in range((month_after(month) - month).days):
                work_out(date=month + number * ONE_DAY, now=LATER)
        person = make_person("ada")
        person.is_staff = person.is_superuser = True
        person.save()
        member = make_member(tenant=books.postpaid, role="owner")
    token = f"Bearer {settings.OPERATOR_TOKEN}"
    return World(
        books,
        staff=sign_in(Client(), person),
        owner=sign_in(Client(), member.user),
        api=Client(headers={"authorization": token}),
    )


def said(page: str, label: str) -> str:
    """Return the amount that stands after a label."""
    found = re.search(rf"{re.escape(label)}\s+(-?[0-9,]+(?:\.[0-9]+)?)", page)
    assert found is not None, f"{label!r} is not in {page}"
    return found[1].replace(",", "")


def picos_of(text: str) -> int:
    """Return the picos of an amount in a file."""
    return int(Decimal(text) * 10**12)


def in_ledger(account: Account.Kind, *tenants: int) -> int:
    """Return what stands on accounts, by the entries themselves."""
    with as_operator():
        entries = Entry.objects.filter(account__kind=account)
        if tenants:
            entries = entries.filter(tenant_id__in=tenants)
        return sum(int(entry.amount_picos) for entry in entries)


def opened(world: World) -> str:
    """Return what invoices are still open for, as the API says it."""
    standing = world.asked(f"invoices/{world.books.invoice.pk}/standing/")
    return format_minor(int(str(standing["open_minor"])), "USD").removesuffix(" USD")


def test_what_is_owed_to_us(world: World) -> None:
    invoice = world.books.invoice
    left = invoice.amount_minor - 150
    shown = format_minor(left, "USD").removesuffix(" USD")
    tenant = world.books.postpaid.pk

    assert in_ledger(Account.Kind.RECEIVABLE) == picos_from_minor(left, "USD")
    balances = world.asked(f"ledger/balances/?tenant={world.books.postpaid.slug}")
    assert str(picos_from_minor(left, "USD")) in json.dumps(balances)
    found = {
        "overview": said(world.page("/finance/?month=2026-10"), "Receivables"),
        "receivables": said(world.page("/finance/receivables/"), "Open"),
        "report": said(world.page("/finance/reports/2026-10/"), "Receivables"),
        "admin": said(world.page(f"/admin/tenants/{tenant}/"), "Owes"),
        "console": said(world.console("billing/"), "Amount due"),
        "api": opened(world),
    }
    assert set(found.values()) == {shown}, found


def test_what_a_month_earned(world: World) -> None:
    found = {
        "overview": said(world.page("/finance/?month=2026-10"), "Net revenue"),
        "revenue": said(world.page("/finance/revenue/?month=2026-10"), "Net revenue"),
        "report": said(world.page("/finance/reports/2026-10/"), "Net revenue"),
    }
    exact = {
        by: sum(
            picos_of(row["net"])
            for row in world.file(
                f"/finance/revenue/?month=2026-10&by={by}&file=revenue"
            )
            if by == "tenant" or row["name"].startswith("October")
        )
        for by in ("month", "tenant")
    }
    with as_operator():
        rows = trial_balance(month=OCTOBER)
    moved = {row.account: row.credited_picos - row.debited_picos for row in rows}
    earned = sum(moved.get(account, 0) for account in ACCOUNTS)
    assert set(exact.values()) == {earned}
    assert set(found.values()) == {rounded(earned, "USD").shown.removesuffix(" USD")}


def test_what_a_tenant_used_in_a_month(world: World) -> None:
    slug, month = world.books.postpaid.slug, "month=2026-09"
    usage = world.asked(f"usage/?tenant={slug}&start=2026-09-01&end=2026-10-01")
    total = usage["total"]
    assert isinstance(total, dict)
    (revenue,) = (
        row["use"]
        for row in world.file(f"/finance/revenue/?{month}&by=tenant&file=revenue")
        if row["name"] == slug
    )
    (on_invoices,) = (
        row["amount"]
        for row in world.file(f"/finance/funnel/?{month}&file=steps")
        if row["step"] == "On invoices"
    )
    with as_operator():
        margins = margin(
            currency="USD",
            first=SEPTEMBER,
            end=month_after(SEPTEMBER),
            tenant_id=world.books.postpaid.pk,
        ).used.revenue_picos
        in_books = -sum(
            row.picos
            for row in turnovers(
                first=SEPTEMBER,
                last=SEPTEMBER,
                accounts=[Account.Kind.REVENUE],
                tenant_id=world.books.postpaid.pk,
            )
            if row.kind == Transaction.Kind.USAGE
        )
    exact = {
        "api": int(total["charge_picos"]),
        "revenue": picos_of(revenue),
        "invoices": picos_of(on_invoices),
        "margin": margins,
        "ledger": in_books,
        "invoice": int(world.books.invoice.exact_picos),
    }
    assert set(exact.values()) == {int(total["charge_picos"])}, exact
    shown = rounded(exact["api"], "USD").shown.removesuffix(" USD")
    days = "from=2026-09-01&to=2026-09-30"
    finance = world.page(f"/finance/usage/?{days}&tenant={slug}")
    console = world.console("usage/?from=2026-09-01&until=2026-10-01")
    assert said(finance, "Show Spend") == said(console, "Spend") == shown


def test_what_we_owe_in_credit(world: World) -> None:
    prepaid = world.books.prepaid
    end = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    balances = world.asked(
        f"ledger/balances/?tenant={prepaid.slug}&at={end:%Y-%m-%dT%H:%M:%SZ}"
    )["accounts"]
    assert isinstance(balances, list)
    (wallet,) = (row for row in balances if row["account"] == "wallet")
    owed = -int(wallet["balance_picos"])
    assert owed == 51 * 10**11
    shown = rounded(owed, "USD").shown.removesuffix(" USD")
    found = {
        "overview": said(world.page("/finance/?month=2026-09"), "Credit owed"),
        "credit": said(world.page("/finance/credit/?month=2026-09"), "Credit owed"),
        "report": said(world.page("/finance/reports/2026-09/"), "Credit owed"),
        "ahead": said(world.page("/finance/waterfall/?month=2026-09"), "Remaining"),
    }
    assert set(found.values()) == {shown}, found
    (rolled,) = (
        row
        for row in world.file("/finance/credit/?month=2026-09&file=credit")
        if row["kind"].startswith("Paid")
    )
    assert picos_of(rolled["closing"]) == owed
