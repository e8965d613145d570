"""How long a member waits for the console's pages of usage and requests.

Of the tenant with the most requests, as its own role reads them, at an instant inside
the last month: its running day and its running period are cut, as they always are.
Whoever looks is made up, so that nothing is written. What is committed after that
instant is there already: a page reads rather more than it would then.
"""

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from unittest import mock

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import RequestFactory

from kit.orm.roles import as_operator
from pages.console import frame
from pages.console.log import pages as log_pages
from pages.console.log.watching import WATCHES
from pages.console.usage import views as usage_views
from pages.console.usage.choice import By, Span
from tenants import selectors
from tenants.models import Member, Tenant
from tests.scale.reading import Waited, largest_tenant
from tests.scale.sizes import MONTHS

Page = Callable[..., HttpResponse]
# The first answer, and later ones.
TIMES = 3
NOW = MONTHS[-1][0] + dt.timedelta(days=19, hours=15, minutes=37)
PAIRS = tuple((by, then) for by in By for then in (None, *By) if then is not by)
FEW_PAIRS: tuple[tuple[By, By | None], ...] = (
    (By.MODEL, None),
    (By.KEY, By.MODEL),
)
_WEEK = {"from": "2026-10-13T10:30", "until": "2026-10-19T15:10"}
_MONTH = {"from": "2026-09-01T00:00", "to": "2026-10-01T00:00"}
_LOGS: Mapping[str, Mapping[str, str]] = {
    "newest": {},
    "of a model": {"model": "draft"},
    "that ended as none did": {"status": "key_revoked"},
    "of a spend that none has": {"min": "1000000"},
    "that took as long as none": {"slower": "100000000"},
    "of a month": _MONTH,
    "of a month, as none ended": {**_MONTH, "status": "key_revoked"},
    "as they end": {"live": "yes", "part": "yes", "who": "reader"},
}


def look_at_the_console(
    *, pairs: Sequence[tuple[By, By | None]] = PAIRS
) -> list[Waited]:
    """Open the usage page with each preset and pair, and the log with each filter."""
    with as_operator():
        tenant = Tenant.objects.get(pk=largest_tenant())
    found = []
    with _looking(tenant):
        for name, page, query in _pages(pairs):
            WATCHES.clear()
            took = [_opened(page, tenant, query) for _ in range(TIMES)]
            found.append(Waited(name, took[0], max(took[1:])))
    return found


def _opened(page: Page, tenant: Tenant, query: Mapping[str, str]) -> float:
    request = RequestFactory().get(f"/console/{tenant.slug}/", query)
    request.user = get_user_model()(pk=1, username="reader", is_active=True)
    started = time.monotonic()
    answer = page(request, tenant=tenant.slug)
    if answer.status_code != HTTPStatus.OK:
        raise LookupError(f"{query} answered {answer.status_code}")
    return (time.monotonic() - started) * 1000


def _pages(
    pairs: Sequence[tuple[By, By | None]],
) -> Iterator[tuple[str, Page, Mapping[str, str]]]:
    for span, (by, then) in itertools.product(Span, pairs):
        name = f"usage: {span} by {by}" + (f" and {then}" if then else "")
        yield name, usage_views.usage, {"range": span, "by": by, "then": then or ""}
    for by in By:
        by_hour = {"range": Span.WEEK, "by": by, "bucket": "hour"}
        yield f"usage: hours of a week by {by}", usage_views.usage, by_hour
    cut = {**_WEEK, "by": By.KEY, "bucket": "hour"}
    yield "usage: hours of days by key", usage_views.usage, cut
    for name, query in _LOGS.items():
        yield f"requests {name}", log_pages.log, query


@contextmanager
def _looking(tenant: Tenant) -> Iterator[None]:
    """Let an owner who is not there look, at an instant that has passed."""
    place = Member(pk=1, tenant=tenant, role="owner")
    with ExitStack() as stack:
        changes = (
            (selectors, "places", lambda **_: [place]),
            (usage_views, "database_now", lambda: NOW),
            (frame, "database_now", lambda: NOW),
        )
        for module, name, value in changes:
            stack.enter_context(mock.patch.object(module, name, value))
        yield
