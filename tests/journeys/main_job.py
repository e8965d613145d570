"""What the journeys of the main job share: closing a month, the pages, the books.

Everything here goes through the product as its users reach it: the commands, the pages
of a signed-in operator, and for what has no page the database.
"""

import datetime as dt
import json
import time
from typing import Any

import httpx
import psycopg

from config.local.code import code_at
from tests.journeys.product import Product
from tests.standins.stripe.server import StripeStandIn


def stripe_settings(stripe: StripeStandIn) -> dict[str, str]:
    """Return the settings that make a product issue its invoices at the stand-in."""
    return {
        "BILLING_PROVIDER": "stripe",
        "STRIPE_API_KEY": "rk_test_" + "0" * 32,
        "STRIPE_API_BASE": stripe.url,
    }


def close_this_month(product: Product, tenant: str) -> dict[str, Any]:
    """Close the running month as of a day in the next but one; return the invoice."""
    today = dt.datetime.now(dt.UTC)
    later = (today.replace(day=1) + dt.timedelta(days=64)).replace(day=1)
    closed = product.manage(
        "close_period",
        "--tenant",
        tenant,
        "--period",
        f"{today:%Y-%m}",
        "--now",
        f"{later:%Y-%m-%dT%H:%M:%SZ}",
        "--json",
    )
    invoice: dict[str, Any] = json.loads(closed)["periods"][-1]["invoice"]
    return invoice


def finance_page(product: Product, tenant: str) -> str:
    """Sign in as the operator, as a browser does, and return the finance page."""
    with httpx.Client(
        base_url=product.url, follow_redirects=True, trust_env=False
    ) as browser:
        browser.get("/accounts/login/")
        asked = {"login": product.admin_user, "password": product.admin_password}
        answer = _post(browser, "/accounts/login/", asked | {"next": "/finance/usage/"})
        assert answer.url.path == "/accounts/2fa/authenticate/", answer.text[:500]
        # Each code works once; the steps before and after this one are taken too.
        for step in (0, 1, -1):
            code = code_at(product.admin_totp_secret, time.time() + 30 * step)
            answer = _post(browser, "/accounts/2fa/authenticate/", {"code": code})
            if answer.url.path == "/finance/usage/":
                break
        assert answer.url.path == "/finance/usage/", answer.text[:500]
        answer = browser.get("/finance/usage/", params={"tenant": tenant})
    assert answer.status_code == httpx.codes.OK
    return answer.text


def _post(browser: httpx.Client, path: str, values: dict[str, str]) -> httpx.Response:
    token = browser.cookies["csrftoken"]
    return browser.post(path, data=values | {"csrfmiddlewaretoken": token})


def rows(product: Product, sql: str) -> list[tuple[Any, ...]]:
    """Ask the product's database."""
    with psycopg.connect(product.env["DATABASE_URL"]) as connection:
        return connection.execute(sql.encode()).fetchall()
