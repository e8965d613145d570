"""Every page of the product, light and dark, wide and on a phone, in one folder.

The list is that of the browser's tests. What is wrong with a page fails those; here a
page that cannot be opened is named, and the others are taken all the same.
"""

import io
import sys
import time
from pathlib import Path
from typing import get_args

from PIL import Image
from playwright.sync_api import Error

from config.local.code import code_at
from tests.browser.chromium import launched
from tests.browser.registry import SCREENS, Screen, Who
from tests.browser.watch import LOOKS, Watched, visit
from tests.journeys.product import Product
from tests.pictures.past import MEMBERS_PASSWORD, member_address

HEIGHT_MAX = 1600
QUALITY = 65
INDEX = "README.md"


def take_screens(product: Product, folder: Path, names: set[str]) -> None:
    """Take the screens of these names, or all, and write a page that shows them."""
    wanted = [screen for screen in SCREENS if not names or screen.name in names]
    folder.mkdir(parents=True, exist_ok=True)
    with launched() as browser:
        windows: dict[Who, Watched] = {
            who: visit(browser, product.url) for who in get_args(Who)
        }
        _sign_in(windows["operator"], product)
        _sign_in_member(windows["member"])
        for screen in wanted:
            _take(screen, windows[screen.who], folder)
    _list(folder)


def _sign_in(watched: Watched, product: Product) -> None:
    page = watched.open("/accounts/login/")
    page.fill("[name=login]", product.admin_user)
    page.fill("[name=password]", product.admin_password)
    page.click("main button[type=submit]")
    page.fill("[name=code]", code_at(product.admin_totp_secret, time.time()))
    page.click("main button[type=submit] >> nth=0")
    page.wait_for_url("**/admin/")


def _sign_in_member(watched: Watched) -> None:
    page = watched.open("/accounts/login/")
    page.fill("[name=login]", member_address("owner"))
    page.fill("[name=password]", MEMBERS_PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url("**/console/**")


def _take(screen: Screen, watched: Watched, folder: Path) -> None:
    """Open a page light and dark, and take it wide and on a phone each time.

    Styles alone tell sizes apart; the admin's theme asks for the scheme as it loads.
    """
    for scheme in ("light", "dark"):
        looks = [look for look in LOOKS if look.scheme == scheme]
        watched.look(looks[0])
        try:
            screen.prepare(watched)
        except (AssertionError, Error) as wrong:
            reason = str(wrong).splitlines()[0]
            sys.stderr.write(f"{screen.name} is not taken: {reason}\n")
            return
        for look in looks:
            watched.look(look)
            _keep(watched, folder / f"{screen.name}-{look.name}.webp")


def _keep(watched: Watched, file: Path) -> None:
    shot = watched.page.screenshot(full_page=True, animations="disabled")
    with Image.open(io.BytesIO(shot)) as picture:
        cut = picture.crop((0, 0, picture.width, min(picture.height, HEIGHT_MAX)))
        cut.convert("RGB").save(file, quality=QUALITY, method=6)


def _list(folder: Path) -> None:
    """Write a page with all pictures of the folder, those of one screen in a row."""
    lines = ["# Every page", "", "Taken by `make screenshots`, of a filled demo.", ""]
    for screen in SCREENS:
        files = [folder / f"{screen.name}-{look.name}.webp" for look in LOOKS]
        if there := [file for file in files if file.exists()]:
            pictures = " ".join(
                f'<img src="{file.name}" alt="{file.stem}" height="420">'
                for file in there
            )
            lines += [f"## {screen.name}", "", pictures, ""]
    (folder / INDEX).write_text("\n".join(lines))
