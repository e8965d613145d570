"""What no webhook told of is listed, from where it was listed to the last time."""

import datetime as dt
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from metering.billing.providers.stripe.client import StripeAccount
from metering.inbox import handlers
from metering.inbox.catching_up import LISTED_FOR, OVERLAP, catch_up
from metering.inbox.models import Progress, WebhookEvent
from tests.factories.inbox import Remembering
from tests.standins.stripe import StripeStandIn

HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR

pytestmark = pytest.mark.usefixtures("operator_db")


@pytest.fixture
def standin(settings: Settings) -> Iterator[StripeStandIn]:
    """Provide a Stripe with two accounts of ours."""
    with StripeStandIn() as running:
        running.add_account("europe", api_key="sk_live_europe")
        settings.STRIPE_API_BASE = running.url
        settings.STRIPE_API_KEY = "sk_test_any"
        settings.STRIPE_ACCOUNTS = {
            "europe": {"api_key": "sk_live_europe", "currencies": ("EUR",)}
        }
        yield running


@pytest.fixture(autouse=True)
def handler() -> Remembering:
    return Remembering("customer.*")


def now_at(standin: StripeStandIn) -> dt.datetime:
    return dt.datetime.fromtimestamp(standin.engine.clock.now() + 1, tz=dt.UTC)


def make_customers(
    standin: StripeStandIn, count: int, *, key: str = "sk_test_any"
) -> None:
    account = StripeAccount(api_key=key, api_base=standin.url)
    for n in range(count):
        account.customers.create(
            {"name": "Acme"}, key=f"{key}{n}{standin.engine.clock.now()}"
        )


def kept(account: str = "default") -> set[str]:
    rows = WebhookEvent.objects.filter(account=account)
    return set(rows.values_list("object_id", flat=True))


def lists(standin: StripeStandIn) -> int:
    return len([e for e in standin.journal("GET") if e["path"] == "/v1/events"])


def test_what_no_webhook_told_of_is_taken_in_once(standin: StripeStandIn) -> None:
    make_customers(standin, 3)
    make_customers(standin, 2, key="sk_live_europe")
    now = now_at(standin)
    assert catch_up(now=now) == 5
    assert (len(kept()), len(kept("europe"))) == (3, 2)
    assert {row.source for row in WebhookEvent.objects.all()} == {"catch_up"}
    assert catch_up(now=now) == 0
    assert catch_up(now=now + HOUR) == 0


def test_many_pages_are_read_to_their_end(standin: StripeStandIn) -> None:
    make_customers(standin, 230)
    assert catch_up(now=now_at(standin)) == 230
    assert len(kept()) == 230


def test_what_nobody_acts_on_is_left_where_it_is(
    standin: StripeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_handlers", [])
    make_customers(standin, 2)
    assert catch_up(now=now_at(standin)) == 0


def test_an_outage_of_days_is_made_up_for(standin: StripeStandIn) -> None:
    catch_up(now=now_at(standin))
    for _ in range(10):
        standin.advance(DAY.total_seconds())
        make_customers(standin, 1)
    assert catch_up(now=now_at(standin)) == 10


def test_what_appears_late_is_found_by_the_overlap(standin: StripeStandIn) -> None:
    make_customers(standin, 1)
    listed = now_at(standin) + OVERLAP - 2 * dt.timedelta(seconds=1)
    Progress.objects.create(account="default", listed_to=listed)
    assert catch_up(now=listed) == 1
    Progress.objects.update(listed_to=listed + 3 * dt.timedelta(seconds=1))
    WebhookEvent.objects.update(state="done", next_at=None)
    WebhookEvent.objects.all().delete()
    assert catch_up(now=listed) == 0


def test_a_listing_that_fails_goes_on_from_where_it_was(standin: StripeStandIn) -> None:
    catch_up(now=now_at(standin))
    for _ in range(6):
        standin.advance(DAY.total_seconds())
        make_customers(standin, 1)
    now = now_at(standin)
    standin.plan("lock_timeout", method="GET", path="/v1/events", nth=10)
    before = lists(standin)
    found = catch_up(now=now)
    assert 0 < found < 6
    progress = Progress.objects.get(account="default")
    assert progress.problem
    assert progress.listed_to < now
    assert catch_up(now=now) + found == 6
    assert lists(standin) > before
    progress.refresh_from_db()
    assert (progress.problem, progress.listed_to, progress.listed_at) == ("", now, now)


def test_one_account_that_fails_holds_up_no_other(standin: StripeStandIn) -> None:
    make_customers(standin, 2, key="sk_live_europe")
    standin.plan("rate_limited", method="GET", path="/v1/events")
    assert catch_up(now=now_at(standin)) == 2


def test_what_is_too_old_to_be_listed_is_said(standin: StripeStandIn) -> None:
    now = now_at(standin)
    Progress.objects.create(account="default", listed_to=now - LISTED_FOR - DAY)
    catch_up(now=now)
    progress = Progress.objects.get(account="default")
    assert "are lost" in progress.problem
    assert progress.listed_to == now


def test_what_is_listed_never_goes_back(standin: StripeStandIn) -> None:
    now = now_at(standin)
    catch_up(now=now)
    catch_up(now=now - HOUR)
    assert Progress.objects.get(account="default").listed_to == now


def test_of_the_other_mode_nothing_is_taken(
    standin: StripeStandIn, settings: Settings
) -> None:
    settings.STRIPE_API_KEY = "rk_live_any"
    standin.add_account("mixed", api_key="rk_live_any")
    make_customers(standin, 1, key="rk_live_any")
    for event in standin.engine.merchants.rows[-1].account.events.rows.values():
        event["livemode"] = False
    assert catch_up(now=now_at(standin)) == 0


def test_without_accounts_nothing_is_asked(settings: Settings) -> None:
    settings.STRIPE_API_KEY = ""
    settings.STRIPE_ACCOUNTS = {}
    assert catch_up(now=dt.datetime(2026, 11, 22, tzinfo=dt.UTC)) == 0
    assert Progress.objects.count() == 0
