"""Actions on many rows: counted, confirmed, all or nothing, and harmless twice."""

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from kit.admin.bulk import ROWS_MAX, UNTYPED_ROWS_MAX
from kit.errors import Conflict
from tenants import services
from tenants.models import KeyUse, Tenant
from tests.admin import page, signed_in, words
from tests.factories.tenants import make_key, make_tenant

LIST = "tenants_tenant"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def run(admin: Client, tenants: list[Tenant], *, query: str = "", **more: str) -> Any:
    """Ask for the suspension of tenants, as the list or the page after it does."""
    form = {
        "action": "suspend_tenants",
        ACTION_CHECKBOX_NAME: [each.pk for each in tenants],
        **more,
    }
    return admin.post(page(LIST, "changelist") + query, form, follow=True)


def states(tenants: list[Tenant]) -> set[str]:
    """Return the states that the tenants are in."""
    rows = Tenant.objects.filter(pk__in=[each.pk for each in tenants])
    return set(rows.values_list("state", flat=True))


def test_it_says_what_follows_and_does_nothing_yet(admin: Client) -> None:
    tenants = [make_tenant() for _ in range(3)]
    make_key(tenant=tenants[0])
    asked = words(run(admin, tenants).content)
    assert "Suspend 3 tenants?" in asked
    assert "Active API keys refused from now on: 1." in asked
    assert "Requests in the last hour: 0." in asked
    assert "Invoices that are drafts or open, and stay so: 0." in asked
    assert states(tenants) == {"active"}


def test_confirmed_it_is_done_to_all_and_logged(admin: Client) -> None:
    tenants = [make_tenant() for _ in range(3)]
    done = words(run(admin, tenants, confirmed="yes").content)
    assert "Suspended: 3 tenants." in done
    assert states(tenants) == {"suspended"}
    logged = LogEntry.objects.filter(change_message="Suspended.")
    assert logged.count() == 3


def test_a_second_click_finds_nothing_left_even_in_a_filtered_list(
    admin: Client,
) -> None:
    tenants = [make_tenant() for _ in range(2)]
    run(admin, tenants, query="?state__exact=active", confirmed="yes")
    again = run(admin, tenants, query="?state__exact=active", confirmed="yes")
    assert "Suspended: 0 tenants. 2 already were." in words(again.content)
    assert LogEntry.objects.filter(change_message="Suspended.").count() == 2


def test_many_ask_for_a_phrase(admin: Client) -> None:
    tenants = [make_tenant() for _ in range(UNTYPED_ROWS_MAX + 1)]
    phrase = f"suspend {len(tenants)}"
    assert f"Type {phrase} to go on" in words(run(admin, tenants).content)
    for typed in ({}, {"phrase": "suspend"}):
        refused = run(admin, tenants, confirmed="yes", **typed)
        assert "Nothing was done." in words(refused.content)
        assert states(tenants) == {"active"}
    run(admin, tenants, confirmed="yes", phrase=f" {phrase.upper()} ")
    assert states(tenants) == {"suspended"}


def test_one_that_was_used_within_the_hour_asks_for_a_phrase(admin: Client) -> None:
    key = make_key().row
    KeyUse.objects.create(
        api_key=key, tenant=key.tenant, last_used_at=timezone.now(), model="demo"
    )
    run(admin, [key.tenant], confirmed="yes")
    assert states([key.tenant]) == {"active"}
    run(admin, [key.tenant], confirmed="yes", phrase="suspend 1")
    assert states([key.tenant]) == {"suspended"}


def test_refused_for_one_it_is_done_to_none(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = [make_tenant() for _ in range(3)]
    suspend = services.suspend_tenant

    def refuse_the_last(*, tenant: Tenant) -> Tenant:
        if tenant.pk == tenants[-1].pk:
            raise Conflict("It is being moved.")
        return suspend(tenant=tenant)

    monkeypatch.setattr(services, "suspend_tenant", refuse_the_last)
    text = words(run(admin, tenants, confirmed="yes").content)
    assert f"Nothing was done. {tenants[-1]}: It is being moved." in text
    assert states(tenants) == {"active"}
    assert not LogEntry.objects.exists()


def test_more_than_a_form_holds_is_refused(admin: Client) -> None:
    Tenant.objects.bulk_create(
        Tenant(slug=f"many-{number}", name="Many") for number in range(ROWS_MAX + 1)
    )
    form = {
        "action": "suspend_tenants",
        ACTION_CHECKBOX_NAME: [Tenant.objects.all()[:1].get().pk],
        "select_across": "1",
    }
    asked = admin.post(page(LIST, "changelist"), form, follow=True)
    assert f"Choose at most {ROWS_MAX} at a time." in words(asked.content)
    assert not Tenant.objects.filter(state=Tenant.State.SUSPENDED).exists()
