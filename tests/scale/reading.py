"""How long people wait who look something up: of the largest tenant, and of all.

Each question of the tenant is asked as its own token asks it, under its policies, and
each page of the books as a person of finance opens it: several times; the slowest of
the later answers counts. The first one may find cold pages.
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from kit.contracts import EventStatus
from kit.orm.atomic import cursor
from kit.orm.roles import as_operator, as_tenant
from metering.billing.explaining import LineExplained, explain_day, explain_line
from metering.billing.models import Invoice, InvoiceLine, Period
from metering.usage.report import Dimension, UsageQuery
from metering.usage.request_log import RequestQuery, requests
from metering.usage.selectors import usage
from pages.finance import (
    close,
    cohorts,
    credit,
    forecast,
    funnel,
    journal,
    margin,
    month_report,
    mrr,
    overview,
    receivables,
    revenue,
    views,
    waterfall,
)
from tests.scale.sizes import MONTHS

TIMES = 5
PAGE = 50
_LARGEST = """
    SELECT tenant_id, sum(quantity) FROM usage_dayrollup WHERE token_class = 0
    GROUP BY 1 ORDER BY 2 DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Waited:
    """One question: how long its first answer took, and the slowest of the others."""

    question: str
    first_ms: float
    slowest_ms: float


def largest_tenant() -> int:
    """Return the tenant with the most requests."""
    with as_operator(), cursor() as session:
        session.execute(_LARGEST)
        found = session.fetchone()
    if found is None:
        raise LookupError("nobody has used anything")
    return int(found[0])


def look_up(*, now: dt.datetime) -> list[Waited]:
    """Ask what people ask, of the tenant with the most requests."""
    tenant_id = largest_tenant()
    with as_tenant(tenant_id):
        explained = _largest_line(tenant_id)
        line, day = explained.line, max(explained.days, key=lambda each: each.quantity)
        invoice = line.invoice
        period = Period.objects.get(invoice=invoice)
    everything = RequestQuery(tenant_id=tenant_id)
    rare = RequestQuery(tenant_id=tenant_id, status=EventStatus.KEY_REVOKED)
    by_day = UsageQuery(
        start=period.first_date,
        end=period.end_date,
        group_by=(Dimension.MODEL, Dimension.DAY),
        tenant_id=tenant_id,
    )
    questions: dict[str, Callable[[], object]] = {
        "usage of a month by model and day": lambda: usage(by_day, now=now),
        "newest requests": lambda: requests(everything, size=PAGE),
        "requests of a status that is not there": lambda: requests(rare, size=PAGE),
        "a line by days": lambda: explain_line(invoice, line),
        "its largest day by requests": lambda: explain_day(
            explained, day.date, size=PAGE
        ),
    }
    return [_asked(name, ask, tenant_id) for name, ask in questions.items()]


def look_at_the_books() -> list[Waited]:
    """Open each page of the books, of the last month that was billed."""
    month = f"{MONTHS[-1][0]:%Y-%m}"
    last = MONTHS[-1][1] - dt.timedelta(days=1)
    days = {"from": f"{month}-01", "to": f"{last:%Y-%m-%d}"}
    pages: dict[str, tuple[Callable[..., HttpResponse], dict[str, str]]] = {
        "the overview": (overview.page, {}),
        "usage by model": (views.usage, days),
        "usage by tenant": (views.usage, days | {"by": "tenant"}),
        "usage by project": (views.usage, days | {"by": "project"}),
        "usage by key": (views.usage, days | {"by": "key"}),
        "revenue by month": (revenue.page, {}),
        "revenue by tenant": (revenue.page, {"by": "tenant"}),
        "revenue by model": (revenue.page, {"by": "model"}),
        "receivables": (receivables.page, {}),
        "credit": (credit.page, {}),
        "from use to cash": (funnel.page, {}),
        "the month's report": (partial(month_report.page, month=month), {}),
        "cohorts": (cohorts.page, {}),
        "recurring revenue": (mrr.page, {}),
        "sold ahead": (waterfall.page, {}),
        "the journal": (journal.page, {}),
        "margin by model": (margin.page, {}),
        "margin by tenant": (margin.page, {"by": "tenant"}),
        "the forecast": (forecast.page, {}),
        "the close": (partial(close.page, month=month), {}),
    }
    person = get_user_model()(
        username="finance", is_staff=True, is_superuser=True, is_active=True
    )
    found = []
    for name, (page, query) in pages.items():
        request = RequestFactory().get("/finance/", {"month": month, **query})
        request.user = person
        took = [_opened(page, request) for _ in range(TIMES)]
        found.append(Waited(f"page: {name}", took[0], max(took[1:])))
    return found


def _opened(page: Callable[[HttpRequest], HttpResponse], request: HttpRequest) -> float:
    started = time.monotonic()
    with as_operator():
        answer = page(request)
    if answer.status_code != HTTPStatus.OK:
        raise LookupError(f"{request.path} answered {answer.status_code}")
    return (time.monotonic() - started) * 1000


def _largest_line(tenant_id: int) -> LineExplained:
    """Return the line of use with the most tokens, explained."""
    line = (
        InvoiceLine.objects.filter(tenant_id=tenant_id, kind="usage")
        .select_related("invoice__period")
        .order_by("-quantity")
        .first()
    )
    if line is None:
        raise LookupError("the largest tenant has no line of use")
    invoice = Invoice.objects.select_related("period").get(pk=line.invoice_id)
    return explain_line(invoice, line)


def _asked(name: str, ask: Callable[[], object], tenant_id: int) -> Waited:
    took = []
    for _ in range(TIMES):
        started = time.monotonic()
        with as_tenant(tenant_id):
            ask()
        took.append((time.monotonic() - started) * 1000)
    return Waited(name, took[0], max(took[1:]))
