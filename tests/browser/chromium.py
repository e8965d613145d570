"""The browser of the tests and the pictures: Debian's chromium, driven by playwright.

Playwright's own browsers are not used: they are downloads from elsewhere than where
everything else comes from. `python -m tests.browser.chromium` installs one where none
is and it may. Failure: no browser is one line that says how to install it.
"""

import os
import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without a recommended one it has no font of its own at all.
PACKAGES = ("chromium", "fonts-liberation")
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", *PACKAGES)
_FLAGS = (
    *("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
    *("--disable-background-networking", "--disable-component-update"),
    *(
        "--lang=en-GB",
        "--disable-sync",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
    ),
)


class NoBrowserError(Exception):
    """There is no browser to drive; the text is one line."""


def installed() -> str:
    """Return the browser's program; raises `NoBrowserError`."""
    for name in NAMES:
        if program := shutil.which(name):
            return program
    raise NoBrowserError(f"no chromium: as root, {' '.join(INSTALL)}")


@contextmanager
def launched() -> "Iterator[Browser]":
    """Run a browser until the block ends."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=installed(), args=list(_FLAGS))
        with closing(browser):
            yield browser


def main() -> int:
    """Install a browser where there is none, and say what is left to do by hand."""
    try:
        installed()
    except NoBrowserError as missing:
        if os.geteuid() == 0 and shutil.which("apt-get") and _install():
            return 0
        sys.stderr.write(f"tests of pages in a browser will fail: {missing}\n")
    return 0


def _install() -> bool:
    """Install the packages; with fresh lists where those at hand have none."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for commands in ((INSTALL,), (("apt-get", "update"), INSTALL)):
        if all(
            subprocess.run(
                command, env=quiet, capture_output=True, check=False
            ).returncode
            == 0
            for command in commands
        ):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
