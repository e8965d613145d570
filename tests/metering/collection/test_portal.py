"""Links to the provider's page: asked for, made once, forgotten."""

import datetime as dt

import pytest
from pytest_django import Settings

from kit.errors import Conflict
from metering.collection.models import PortalLink
from metering.collection.portal import ask_for_link, make_links
from metering.usage.selectors import database_now
from tests.metering.collection.buying.scene import prepaid
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.visitor import Visitor

pytestmark = pytest.mark.usefixtures("operator_db")
MINUTE = dt.timedelta(minutes=1)


def test_a_link_leads_to_the_tenants_page(standin: StripeStandIn) -> None:
    row = ask_for_link(tenant=prepaid(), now=database_now())
    assert make_links(now=database_now()) == 1
    assert make_links(now=database_now()) == 0
    row.refresh_from_db()
    assert row.state == "ready"
    with Visitor() as visitor:
        assert visitor.open(row.url).status == 200


def test_however_often_it_is_asked_one_is_made(standin: StripeStandIn) -> None:
    tenant, now = prepaid(), database_now()
    row = ask_for_link(tenant=tenant, now=now)
    assert ask_for_link(tenant=tenant, now=now + 5 * MINUTE).pk == row.pk
    assert make_links(now=now) == 1
    soon, later = now + MINUTE / 2, now + MINUTE
    assert ask_for_link(tenant=tenant, now=soon).pk == row.pk
    assert ask_for_link(tenant=prepaid(), now=soon).pk != row.pk
    assert ask_for_link(tenant=tenant, now=later).pk != row.pk
    assert PortalLink.objects.filter(tenant=tenant).count() == 2


def test_one_that_failed_is_asked_for_anew(standin: StripeStandIn) -> None:
    tenant, now = prepaid(), database_now()
    row = ask_for_link(tenant=tenant, now=now)
    PortalLink.objects.update(state="failed", problem="It could not be made.")
    assert ask_for_link(tenant=tenant, now=now).pk != row.pk


@pytest.mark.parametrize("kind", ["drop_before", "commit_then_drop"])
def test_a_lost_answer_is_asked_for_again(standin: StripeStandIn, kind: str) -> None:
    standin.plan(kind, method="POST", path="/v1/billing_portal/sessions")
    row = ask_for_link(tenant=prepaid(), now=database_now())
    assert make_links(now=database_now()) == 0
    assert make_links(now=database_now() + MINUTE) == 1
    row.refresh_from_db()
    assert row.url


def test_one_that_comes_too_late_says_why(standin: StripeStandIn) -> None:
    row = ask_for_link(tenant=prepaid(), now=database_now())
    standin.plan("drop_before", method="POST", path="/v1/customers")
    make_links(now=database_now() + 11 * MINUTE)
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.problem


def test_links_are_forgotten_after_a_day(standin: StripeStandIn) -> None:
    ask_for_link(tenant=prepaid(), now=database_now())
    make_links(now=database_now())
    make_links(now=database_now() + dt.timedelta(days=1, minutes=1))
    assert not PortalLink.objects.exists()


def test_offline_there_is_no_such_page(settings: Settings) -> None:
    settings.BILLING_PROVIDER = "offline"
    with pytest.raises(Conflict):
        ask_for_link(tenant=prepaid(), now=database_now())
