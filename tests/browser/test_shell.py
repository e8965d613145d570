"""The way in and around: password, code, navigation by keyboard, light or dark."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.watch import PHONE_LIGHT, WIDE_LIGHT, Watched
from tests.factories.accounts import (
    PASSWORD,
    code,
    give_second_factor,
    make_operator,
)

pytestmark = pytest.mark.timeout(180)


def chosen(page: Page, name: str) -> str:
    """Choose an appearance; return the ground's colour on the page that follows."""
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("button", name=name)).to_have_attribute(
        "aria-pressed", "true"
    )
    # Without its style sheets a page has no ground.
    page.wait_for_load_state()
    return paper(page)


def paper(page: Page) -> str:
    """Return the colour of the page's ground."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_an_operator_signs_in_with_a_second_factor_and_out_again(
    guest: Watched,
) -> None:
    give_second_factor(make_operator("grace"))
    page = guest.open("/finance/")
    expect(page).to_have_url(re.compile("/accounts/login/"))

    page.fill("[name=login]", "grace")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.fill("[name=code]", code())
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Finance")
    guest.check()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_a_choice_of_dark_goes_before_the_system_and_comes_back(
    operator: Watched,
) -> None:
    operator.look(WIDE_LIGHT)
    page = operator.open("/finance/usage/")
    light = paper(page)

    dark = chosen(page, "Dark")
    expect(page).to_have_url(re.compile("/finance/usage/$"))
    operator.check()
    system = chosen(page, "System")

    assert dark != light
    assert system == light


def test_on_a_phone_the_sections_open_and_lead_by_keyboard(operator: Watched) -> None:
    operator.look(PHONE_LIGHT)
    page = operator.open("/finance/usage/")
    menu = page.locator(".sections-small summary")

    menu.focus()
    page.keyboard.press("Enter")
    operator.check()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Finance")


def test_a_table_sorts_opens_and_leads_on_by_its_address(operator: Watched) -> None:
    page = operator.open("/finance/gallery/")

    page.get_by_role("link", name="Requests").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"sort=-requests"))
    page.get_by_role("link", name="Open Helio Health").first.click()
    expect(page).to_have_url(re.compile(r"sort=-requests.*open=Helio"))
    expect(page.locator("tr.part")).to_have_count(2)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("7 to 12 of 12")).to_be_visible()
    page.go_back()
    expect(page.locator("tr.part")).to_have_count(2)
    operator.check()
