"""Long work is followed in place, under a policy that runs our scripts alone."""

from playwright.sync_api import expect

from tests.browser.watch import Watched

PAGE = "/finance/gallery/"


def test_the_part_asks_for_itself_until_the_work_is_over(operator: Watched) -> None:
    page = operator.open(PAGE)

    part = page.locator(".progress")
    expect(part).to_contain_text("0 of 10 tenants")
    expect(part).to_contain_text("10 of 10 tenants, 100.0 %")
    expect(part.locator(".badge")).to_have_text("done")
    assert part.get_attribute("hx-get") is None
    operator.check()


def test_without_a_script_it_says_how_far_it_was(operator: Watched) -> None:
    operator.page.route("**/htmx-2.min.js", lambda route: route.fulfill(body=""))
    page = operator.open(PAGE)

    expect(page.locator(".progress")).to_contain_text("0 of 10 tenants, 0.0 %")
    expect(page.locator(".progress a")).to_have_text("Look again")
