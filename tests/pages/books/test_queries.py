"""However many tenants there are, a page of the books asks equally few questions."""

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.orm.roles import OPERATOR
from metering.receivables.models import Hold
from tests.factories.receivables import ISSUED, make_invoice

PAGES = {
    "": 32,
    "revenue/": 16,
    "revenue/?by=tenant": 17,
    "revenue/?by=model": 15,
    "revenue/?by=tenant&cohort=2026-10": 18,
    "cohorts/": 12,
    "waterfall/": 14,
    "journal/": 14,
    "receivables/": 16,
    "credit/": 16,
    "funnel/": 17,
    "reports/2026-10/": 22,
}
FEW, MANY = 3, 12


def asked(finance: Client, page: str) -> int:
    """Return how many statements a page takes."""
    mark = "&" if "?" in page else "?"
    address = f"/finance/{page}{mark}currency=EUR&"
    if not page.startswith("re"):
        address += "month=2026-10"
    with CaptureQueriesContext(connections[OPERATOR]) as found:
        assert finance.get(address).status_code == 200
    return len(found)


@pytest.mark.parametrize("page", PAGES)
def test_questions_do_not_grow_with_tenants(finance: Client, page: str) -> None:
    for number in range(MANY):
        invoice = make_invoice()
        Hold.objects.create(
            tenant=invoice.tenant, invoice=invoice, kind="pause", started_at=ISSUED
        )
        if number == FEW:
            few = asked(finance, page)

    many = asked(finance, page)

    assert many == few
    assert many <= PAGES[page]
