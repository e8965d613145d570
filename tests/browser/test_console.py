"""The console around its pages: what is copied is so, who looks at it is told so."""

import datetime as dt

import pytest
from playwright.sync_api import expect

from tests.browser.registry import PLACE
from tests.browser.watch import PHONE_DARK, PHONE_LIGHT, Watched
from tests.pictures.past import CUSTOMERS

pytestmark = pytest.mark.timeout(180)


def test_a_click_copies_a_call_and_says_so(member: Watched) -> None:
    page = member.open(f"{PLACE}start/?with=curl")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = page.locator("pre#curl").inner_text()

    page.locator("button[data-copies=curl]").focus()
    page.keyboard.press("Enter")

    expect(page.locator("button[data-copies=curl]")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == shown.strip()
    member.check()


def test_on_a_phone_the_pages_open_and_lead_by_keyboard(member: Watched) -> None:
    member.look(PHONE_LIGHT)
    page = member.open(PLACE)
    page.locator(".sections-small summary").focus()
    page.keyboard.press("Enter")
    member.check()

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("First call")


def test_an_operator_looks_at_a_tenant_and_stops(
    operator: Watched, world: dt.datetime
) -> None:
    operator.look(PHONE_DARK)
    page = operator.open("/admin/tenants/tenant/")
    page.get_by_role("link", name=CUSTOMERS[0].slug).first.click()
    page.get_by_role("button", name="View as tenant").click()

    told = page.get_by_text(f"You look at {CUSTOMERS[0].name} as an operator.")
    expect(told).to_be_visible()
    operator.check()
    page.get_by_role("button", name="Stop looking").click()

    expect(page.get_by_role("button", name="View as tenant")).to_be_visible()
