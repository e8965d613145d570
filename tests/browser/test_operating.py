"""Operators change a price with a preview, revoke a key, drain replicas."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from inference.control.models import Replica
from kit.contracts import TokenCounts
from kit.orm.roles import as_operator
from metering.jobs.stepping import work
from metering.pricing.models import Price
from metering.pricing.previewing import last_month
from metering.pricing.selectors import price_in_force
from tenants.models import ApiKey, AuditEntry, KeyState, Tenant
from tests.browser.watch import Watched
from tests.factories.control import make_model, make_replica
from tests.factories.pricing import make_book, make_price
from tests.factories.tenants import make_key, make_tenant
from tests.metering.pricing.test_previewing import used

pytestmark = pytest.mark.timeout(180)


@contextmanager
def dialog(page: Page, label: str) -> Iterator[Page]:
    """Open an action's dialog, look at it, and confirm it."""
    page.get_by_role("link", name=label, exact=True).click()
    button = page.get_by_role("button", name=label, exact=True)
    expect(button).to_be_visible()
    yield page
    button.click()


def told(kind: str, row_id: int) -> list[str]:
    """Return what the audit says was done to a row by operators."""
    with as_operator():
        entries = AuditEntry.objects.filter(
            object_kind=kind, object_id=str(row_id), actor_kind="operator"
        )
        return list(entries.order_by("id").values_list("action", flat=True))


def test_a_key_is_found_revoked_and_opens_nothing(operator: Watched) -> None:
    key = make_key(tenant=make_tenant(slug="leaky"), name="in a notebook").row
    page = operator.open("/admin/tenants/apikey/")
    page.get_by_role("textbox", name="Name, what is shown").fill("leaky")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="in a notebook").click()
    with dialog(page, "Revoke"):
        expect(page.get_by_text("for good")).to_be_visible()
        expect(page.get_by_text("It was never used.")).to_be_visible()
    expect(page.get_by_text("Revoked.").first).to_be_visible()
    operator.check()
    with as_operator():
        row = ApiKey.objects.get(pk=key.pk)
        assert row.state_at(timezone.now()) is KeyState.REVOKED
    assert told("api_key", key.pk) == ["revoke"]


def test_a_replica_is_drained_and_the_last_one_takes_more_than_a_click(
    operator: Watched,
) -> None:
    model = make_model(name="twice-served")
    first = make_replica(model=model, name="gpu-left")
    last = make_replica(model=model, name="gpu-right")
    page = operator.open("/admin/routes/")
    row = page.get_by_role("row").filter(has_text="gpu-left")
    expect(row).to_contain_text("50.0 %")
    page.get_by_role("link", name="gpu-left").click()
    with dialog(page, "Drain"):
        expect(page.get_by_text("without an active replica: 0.")).to_be_visible()
    expect(page.get_by_text("Draining.").first).to_be_visible()
    operator.check()

    page = operator.open("/admin/control/replica/?q=twice-served")
    rows = page.get_by_role("row")
    rows.filter(has_text="gpu-right").get_by_role("checkbox").check()
    page.get_by_role("combobox", name="Action").select_option("drain_replicas")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("replica: 1 (twice-served).")).to_be_visible()
    operator.check()
    page.locator("[name=phrase]").fill("drain")
    page.get_by_role("button", name="Drain").click()
    expect(page.get_by_text("Nothing was done.")).to_be_visible()
    page.locator("[name=phrase]").fill("drain 1")
    page.get_by_role("button", name="Drain").click()
    expect(page.get_by_text("Draining: 1 replica.")).to_be_visible()
    for replica in (first, last):
        assert told("replica", replica.pk) == ["update"]
        with as_operator():
            replica.refresh_from_db()
        assert replica.state == Replica.State.DRAINING


@pytest.fixture
def tenants(origin: str) -> list[Tenant]:
    """Provide three tenants who used something last month."""
    book = make_book(currency="EUR", is_default=True)
    price = make_price(book=book, model="large", per_million=("4", "4", "4"))
    made = [make_tenant(currency="EUR", slug=f"payer-{each}") for each in range(3)]
    with as_operator():
        date = last_month(now=timezone.now()).first_date + dt.timedelta(days=1)
        for number, tenant in enumerate(made, 1):
            used(tenant, price, TokenCounts(input_tokens=number * 10**6), date=date)
    return made


def test_a_price_is_changed_with_a_preview(
    operator: Watched, tenants: list[Tenant]
) -> None:
    with as_operator():
        book = Price.objects.get(model="large").version.book
    page = operator.open(f"/admin/pricing/pricebook/{book.pk}/change/")
    page.get_by_role("link", name="Draft a version").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name=f"{book} v2").first.click()
    for name in ("input", "cached_input", "output"):
        page.locator(f"[name=prices-0-{name}_per_million]").fill("5")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("+25.0 %").first).to_be_visible()
    operator.check()

    page.get_by_role("link", name="Publish", exact=True).click()
    expect(page.get_by_text("No preview counted all tenants.")).to_be_visible()
    page.keyboard.press("Escape")
    page.reload()
    with dialog(page, "Preview for all"):
        pass
    live = page.get_by_role("status").filter(has_text="done")
    expect(live).to_contain_text("Waiting for a worker.")
    with as_operator():
        work(now=timezone.now())
    expect(live).to_contain_text("3 of 3 tenants done. Done.")
    expect(page.get_by_text("more: 6.00 EUR")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Preview")).last.click()

    with dialog(page, "Publish"):
        said = "(3 tenants) would have cost 30.00 EUR instead of 24.00 EUR, 6.00 EUR"
        expect(page.get_by_text(said)).to_be_visible()
        page.get_by_role("textbox", name="Type the version").fill("something else")
    expect(page.get_by_text("Nothing was done.")).to_be_visible()
    assert in_force(tenants[0]) == 4_000_000
    page.get_by_role("textbox", name="Type the version").fill(f"{book} v2")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Published.").first).to_be_visible()
    expect(page.locator("[name=prices-0-input_per_million]")).to_have_count(0)
    operator.check()
    assert in_force(tenants[0]) == 5_000_000


def in_force(tenant: Tenant) -> int:
    """Return what a tenant pays for an input token now, in picos."""
    with as_operator():
        price = price_in_force(tenant=tenant, model="large", at=timezone.now())
        return price.input_picos
