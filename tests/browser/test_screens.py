"""Every page, light on a wide screen and dark on a phone: nothing is wrong with it.

With `PICTURES` naming a folder, each page is photographed there in passing.
"""

import datetime as dt
import os
from pathlib import Path

import pytest

from tests.browser.registry import SCREENS, Screen
from tests.browser.watch import PHONE_DARK, WIDE_LIGHT, Watched

pytestmark = pytest.mark.timeout(240)


# What the pages are made of, whole; the product has no such page.
GALLERY = Screen("gallery", "/finance/gallery/?open=Helio+Health")
BROKEN = Screen("broken", "/finance/gallery/broken/", status=500)


@pytest.mark.parametrize(
    "screen", [GALLERY, BROKEN, *SCREENS], ids=lambda screen: screen.name
)
def test_a_page_fits_loads_nothing_foreign_and_axe_finds_nothing(
    screen: Screen, world: dt.datetime, request: pytest.FixtureRequest
) -> None:
    watched: Watched = request.getfixturevalue(screen.who)
    for look in (WIDE_LIGHT, PHONE_DARK):
        watched.look(look)
        screen.prepare(watched)
        if folder := os.environ.get("PICTURES"):
            file = Path(folder) / f"{screen.name}-{look.name}.png"
            watched.page.screenshot(path=file, full_page=True)
        watched.check()


def test_pictures_have_names_of_their_own() -> None:
    names = [screen.name for screen in SCREENS]

    assert len(set(names)) == len(names)


def test_a_file_of_a_table_is_the_whole_of_it(
    operator: Watched, world: dt.datetime
) -> None:
    page = operator.open("/finance/revenue/")
    link = page.locator("a.file").first.get_attribute("href") or ""

    answer = page.request.get(f"{operator.origin}/finance/revenue/{link}")

    lines = answer.text().splitlines()
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert int(answer.headers["x-row-count"]) == len(lines) - 1
