"""One product for all journeys through the console, and the windows that they use.

It is what `make up` gives to somebody who says nothing: gateway, web, worker, beat, the
simulator engine and the stand-in of Stripe. Mail goes to a folder.
"""

import email
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import policy
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import launched
from tests.browser.watch import Watched, visit
from tests.journeys.product import Product, running_product, said

# Journeys stand in modules of their own, and are collected by `test_console.py`.
pytest.register_assert_rewrite(
    *(
        f"tests.journeys.console.{name}"
        for name in ("bills", "first_call", "keys", "playground")
    )
)

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Mailbox:
    """The folder that all mail of the product goes to."""

    folder: Path

    def texts_to(self, address: str) -> list[str]:
        """Return the texts of the mails to an address, the oldest first."""
        found = []
        for file in sorted(self.folder.glob("*"), key=lambda each: each.name):
            for raw in re.split(rb"(?m)^-{79}\n", file.read_bytes()):
                mail = email.message_from_bytes(raw.strip(), policy=policy.default)
                body = mail.get_body(("plain",))
                if address in str(mail["To"]) and body is not None:
                    found.append(str(body.get_content()))
        return found


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Mailbox:
    """Provide the folder of the product's mail."""
    return Mailbox(tmp_path_factory.mktemp("mail"))


@pytest.fixture(scope="module")
def product(mailbox: Mailbox) -> Iterator[Product]:
    """Provide the product that runs."""
    env = {"BILLING_PROVIDER": "", "EMAIL_FOLDER": str(mailbox.folder)}
    with running_product(env=env) as running:
        yield running


@pytest.fixture(scope="module")
def operator(product: Product) -> Iterator[httpx.Client]:
    """Provide the management API as the operator has it."""
    headers = {"authorization": f"Bearer {product.operator_token}"}
    base = f"{product.url}/api/v1/"
    with httpx.Client(base_url=base, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a browser."""
    with launched() as found:
        yield found


@pytest.fixture
def guest(browser: Browser, product: Product) -> Iterator[Watched]:
    """Provide a window in which nobody has signed in."""
    watched = visit(browser, product.url)
    yield watched
    watched.page.context.close()


@pytest.fixture
def owner(guest: Watched, product: Product) -> Watched:
    """Provide the window of the demo tenant's owner."""
    page = guest.open("/accounts/login/")
    page.fill("[name=login]", product.console_user)
    page.fill("[name=password]", product.console_password)
    page.click("main button[type=submit]")
    page.wait_for_url("**/console/demo/")
    return guest


@pytest.fixture
def until(product: Product) -> Callable[[Callable[[], Any]], Any]:
    """Provide what waits for something that the product brings about."""

    def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < deadline, said(product.state_dir)
            time.sleep(0.1)
        return found

    return wait
