"""An invoice's line opens its days, and a day its requests; every sum is shown."""

import csv
import datetime as dt
import re
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from kit.contracts import TokenCounts
from metering.billing import explaining as events
from metering.billing.models import Invoice
from metering.billing.services import close_period
from pages import explained as explaining
from tests.factories.billing import CLOSED, FIRST, STARTED, make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.subscriptions import make_plan_version, make_subscription
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.conftest import SignIn
from tests.pages.reading import tables, text

TENTH = dt.date(2026, 9, 10)
COUNTS = TokenCounts(input_tokens=1000, cached_input_tokens=0, output_tokens=7)


@pytest.fixture
def invoice(operator_db: None) -> Invoice:
    """Provide an invoice of three requests on two days, and of a plan's fee."""
    tenant = make_tenant_of(name="Acme Ltd")
    version = make_plan_version(
        fee_minor=3000,
    )
    make_subscription(tenant=tenant, version=version, starts_on=FIRST, now=STARTED)
    price, day = make_price(), dt.timedelta(days=1)
    use = replace(
        make_use(price=price, admitted_at=STARTED + 9 * day, tenant=tenant),
        counts=COUNTS,
    )
    late = replace(use, admitted_at=use.admitted_at + day)
    commit(make_epoch(started_at=STARTED, state="closed"), use, use, late)
    made = close_period(tenant=tenant, date=FIRST, now=CLOSED).invoice
    assert made is not None
    return made


def line_of(invoice: Invoice, kind: str) -> str:
    """Return the address of an invoice's first line of a kind."""
    line = invoice.lines.filter(kind=kind).order_by("position")[0]
    place = [invoice.public_id, line.position]
    return reverse("finance:explained_line", args=place)


def test_a_line_opens_its_days_and_a_day_its_requests(
    finance: Client, invoice: Invoice
) -> None:
    address = line_of(invoice, "usage")
    printed = finance.get(reverse("finance:invoice", args=[invoice.public_id]))
    assert address in printed.content.decode()

    page = finance.get(address).content
    assert "its days add up" in text(page)
    rows = tables(page)["By billing day"]
    assert [row[:2] for row in rows[1:]] == [
        ["2026-09-10", "2,000"],
        ["2026-09-11", "1,000"],
        ["Total", "3,000"],
    ]
    requests = finance.get(f"{address}2026-09-10/").content
    assert "its requests add up" in text(requests)
    found = tables(requests)["Requests and corrections"][1:]
    assert [row[3] for row in found] == ["1,000", "1,000"]
    assert f'href="{address}"' in requests.decode()


def test_requests_come_in_pages_and_whole_in_a_file(
    finance: Client, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "REQUESTS_PER_PAGE", 1)
    monkeypatch.setattr(explaining, "_READ_AT_ONCE", 1)
    address = f"{line_of(invoice, 'usage')}2026-09-10/"
    first = finance.get(address).content.decode()
    (more,) = re.findall(r'href="(\?after=[^"#]+)', first)
    second = finance.get(address + more).content.decode()
    assert "Next requests" not in second
    seen = [
        tables(page.encode())["Requests and corrections"][1][0]
        for page in (first, second)
    ]
    assert len(set(seen)) == 2

    # However many a tenant's file may have: this one is sent as it is read.
    monkeypatch.setattr(explaining, "FILE_REQUESTS_MAX", 1)
    monkeypatch.setattr(events, "ROWS_AT_ONCE", 1)
    file = finance.get(f"{address}?file=requests")
    assert file.streaming
    *lines, last = file.getvalue().decode().splitlines()
    assert last.startswith("# 2 rows, sha-256 ")
    rows = list(csv.DictReader(lines))
    assert [row["request"] for row in rows] == seen
    assert [row["quantity"] for row in rows] == ["1000", "1000"]


def test_a_fee_says_how_it_came_about(finance: Client, invoice: Invoice) -> None:
    page = finance.get(line_of(invoice, "fee")).content
    assert "counts nothing of days" in text(page)
    assert tables(page)["How it came about"][1:]


def test_what_is_not_there_is_404(finance: Client, invoice: Invoice) -> None:
    address = line_of(invoice, "usage")
    for wrong in (f"{address}2026-09-30/", f"{address}today/"):
        assert finance.get(wrong).status_code == 404
        assert finance.get(f"{wrong}?file=requests").status_code == 404
    nowhere = reverse("finance:explained_line", args=[invoice.public_id, 99])
    assert finance.get(nowhere).status_code == 404
    assert finance.get(f"{address}2026-09-10/?after=x").status_code == 400


def test_who_may_not_see_invoices_sees_no_line(
    sign_in: SignIn, invoice: Invoice
) -> None:
    client = sign_in("usage.view_dayrollup")
    assert client.get(line_of(invoice, "usage")).status_code == 403
