"""Following new requests: what is seen, and that watchers cost no more than one."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.test import Client
from django.utils import timezone

from kit.contracts import CountedBy, EventStatus, Surface
from kit.handling import NOT_NOTED
from kit.ids import uuid7
from metering.usage.request_log import LoggedRequest, RequestPage, RequestQuery
from pages.console.log import watching
from pages.console.log.watching import EVERY_S, POLLS_PER_S_MAX, WATCHES, Watches, fits
from tests.factories.accounts import sign_in
from tests.factories.pricing import make_price
from tests.factories.tenants import make_member
from tests.factories.usage import commit, make_epoch, make_use

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
ROW = LoggedRequest(
    request_id=uuid7(1),
    admitted_at=NOON,
    tenant_id=1,
    project_id=2,
    project="default",
    api_key_id=3,
    api_key="ci (tg-abc)",
    model="demo-model",
    status=EventStatus.OK,
    surface=Surface.CHAT_COMPLETIONS,
    streamed=True,
    counted_by=CountedBy.ENGINE,
    input_tokens=1,
    cached_input_tokens=0,
    output_tokens=1,
    reasoning_tokens=0,
    charge_picos=7,
    net_charge_picos=5,
    currency="USD",
    first_token_us=1,
    last_token_us=2,
    duration_us=3,
    handling=NOT_NOTED,
    is_retried=False,
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def _nobody_watched_before() -> Iterator[None]:
    WATCHES.clear()
    yield
    WATCHES.clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the questions to the database, by tenant, and answer them."""
    found: list[int] = []

    def requests(query: RequestQuery, *, size: int) -> RequestPage:
        found.append(query.tenant_id)
        return RequestPage((ROW,), None)

    monkeypatch.setattr(watching, "requests", requests)
    return found


def test_any_number_of_watchers_reads_once_in_a_while(asked: list[int]) -> None:
    clock = Clock()
    watches = Watches(clock)
    for _ in range(5):
        for who in range(200):
            assert watches.newest(1, who=f"{who}")[0] == (ROW,)
        clock.now_s += EVERY_S
    assert asked == [1] * 5
    watches.newest(2, who="")
    assert asked == [1] * 5 + [2]


@pytest.mark.parametrize(
    ("watchers", "every_s"), [(1, 2), (10, 2), (50, 10), (500, 100)]
)
def test_the_more_watch_the_later_each_asks(
    asked: list[int], watchers: int, every_s: int
) -> None:
    """Each asks again when it was told to: together they never ask much more often."""
    clock = Clock()
    watches = Watches(clock)
    due = [clock.now_s + number * EVERY_S / watchers for number in range(watchers)]
    told = [EVERY_S] * watchers
    counted = 0
    end = clock.now_s + 900
    while (now_s := min(due)) < end:
        clock.now_s, who = now_s, due.index(now_s)
        _, told[who] = watches.newest(1, who=f"{who}")
        due[who] = now_s + told[who]
        counted += now_s > end - 600
    assert told == [every_s] * watchers
    assert counted / 600 <= POLLS_PER_S_MAX
    clock.now_s += 10 * every_s + 60
    assert watches.newest(1, who="alone")[1] == EVERY_S


def test_who_asks_while_it_is_read_gets_the_list_of_before(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    watches = Watches(clock)
    watches.newest(1, who="")
    clock.now_s += EVERY_S
    inner: list[object] = []

    def slow(query: RequestQuery, *, size: int) -> RequestPage:
        inner.append(watches.newest(1, who="")[0])
        return RequestPage((), None)

    monkeypatch.setattr(watching, "requests", slow)
    assert watches.newest(1, who="")[0] == ()
    assert inner == [(ROW,)]


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        ({"project_id": 2}, {"project_id": 9}),
        ({"api_key_id": 3}, {"api_key_id": 9}),
        ({"model": "demo-model"}, {"model": "x"}),
        ({"status": EventStatus.OK}, {"status": EventStatus.DRAINED}),
        ({"request_id": ROW.request_id}, {"request_id": uuid7(2)}),
        ({"charge_picos_min": 5}, {"charge_picos_min": 6}),
        ({"duration_us_min": 3}, {"duration_us_min": 4}),
        ({"reach": frozenset({2})}, {"reach": frozenset({9})}),
        ({"start": NOON}, {"start": NOON + dt.timedelta.resolution}),
        ({"end": NOON + dt.timedelta.resolution}, {"end": NOON}),
    ],
)
def test_a_list_is_narrowed_as_the_log_is(
    wanted: dict[str, object], other: dict[str, object]
) -> None:
    query = RequestQuery(tenant_id=1)
    assert fits(ROW, replace(query, **wanted))  # type: ignore[arg-type]
    assert not fits(ROW, replace(query, **other))  # type: ignore[arg-type]


@pytest.mark.usefixtures("fresh_database")
def test_a_page_follows_until_it_has_for_long_enough() -> None:
    member = make_member()
    use = make_use(price=make_price(), admitted_at=timezone.now(), tenant=member.tenant)
    (event,) = commit(make_epoch(started_at=use.admitted_at), use)
    person = sign_in(Client(), member.user)
    address = f"/console/{member.tenant.slug}/requests/"

    page = person.get(f"{address}?live=yes").content.decode()
    assert str(event.request_id) in page
    assert 'hx-trigger="load delay:2s"' in page
    assert "htmx-2.min.js" in page
    past = (timezone.now() - dt.timedelta(seconds=1)).isoformat().replace("+", "%2B")
    part = person.get(f"{address}?live=yes&part=yes&until={past}").content.decode()
    assert "hx-get" not in part
    assert "Follow again" in part
    assert "<html" not in part
    senseless = person.get(f"{address}?live=yes&until=2026-13-01T00:00:00Z")
    assert "hx-get" in senseless.content.decode()
    none = person.get(f"{address}?live=yes&part=yes&status=drained").content.decode()
    assert str(event.request_id) not in none
