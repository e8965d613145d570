"""`make screenshots`: every page of a product with a past and calls of now.

It runs what `make up` runs in a folder of its own, writes months into it, bills them,
makes calls through the gateway and waits for the product's own worker to report them.
Then a browser looks at it. Failure: one line that says what is missing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from tests.browser.chromium import NoBrowserError, installed
from tests.journeys.product import ROOT, Product, running_product
from tests.pictures.past import CUSTOMERS, MODELS
from tests.pictures.screens import take_screens

Tenants = Sequence[dict[str, str]]

FOLDER = ROOT / "platform" / "docs" / "images" / "screens"
HISTORY = "from tests.pictures.history import main; main()"
BUSINESS = "from tests.pictures.business import main; main()"
POST_DAYS = "from metering.ledger.tasks import post_days; post_days()"
COUNT = (
    "from kit.orm.roles import as_operator\n"
    "from metering.usage.models import Event\n"
    "with as_operator(): print(Event.objects.count())"
)
CALLS = 120
CALLS_AT_ONCE = 8
BUSY_CALLS = 3
PATIENCE_SECONDS = 240.0
POLL_SECONDS = 1.0


class PictureError(Exception):
    """What is to be seen does not come about; the text is one line."""


def main(argv: Sequence[str]) -> int:
    """Take the pictures and return the exit status."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they go")
    parser.add_argument("screens", nargs="*", help="those named, or every page")
    asked = parser.parse_args(argv)
    try:
        installed()
        with running_product() as product:
            tenants = _fill(product)
            with _busy(product, tenants):
                take_screens(product, asked.folder, set(asked.screens))
    except (PictureError, NoBrowserError) as error:
        sys.stderr.write(f"screenshots: {error}\n")
        return 1
    return 0


def _fill(product: Product) -> Tenants:
    """Give the product a past, what became of it, and calls of now."""
    tenants: Tenants = json.loads(_run(product, HISTORY))
    # At once: the worker would bill all of it as of today.
    _run(product, BUSINESS)
    _call(product, tenants)
    _until("the usage report", partial(_is_reported, product))
    # The worker would do so within ten minutes.
    _run(product, POST_DAYS)
    product.manage("reconcile")
    product.manage("verify_ledger")
    return tenants


def _call(product: Product, tenants: Tenants) -> None:
    """Make real calls with every tenant's key, of every model."""
    with _client(product) as client:
        one = partial(_one_call, client, tenants)
        # The gateway hears of a new key at once, but not in no time.
        _until("the first answer", lambda: one(0) == httpx.codes.OK)
        with ThreadPoolExecutor(CALLS_AT_ONCE) as callers:
            refused = set(callers.map(one, range(1, CALLS))) - {httpx.codes.OK}
    if refused:
        raise PictureError(f"calls were answered {sorted(refused)}")


@contextmanager
def _busy(product: Product, tenants: Tenants) -> Iterator[None]:
    """Keep a few calls going, so that live figures are some."""
    over = Event()

    def call(first: int) -> None:
        with _client(product) as client, suppress(httpx.HTTPError):
            for number in count(first, BUSY_CALLS):
                if over.is_set():
                    return
                _one_call(client, tenants, number)

    with ThreadPoolExecutor(BUSY_CALLS) as callers:
        for first in range(BUSY_CALLS):
            callers.submit(call, first)
        try:
            yield
        finally:
            over.set()


def _client(product: Product) -> httpx.Client:
    return httpx.Client(base_url=product.url, trust_env=False, timeout=60)


def _one_call(client: httpx.Client, tenants: Tenants, number: int) -> int:
    tenant = tenants[number % len(tenants)]
    answer = client.post(
        "/v1/chat/completions",
        headers={"authorization": f"Bearer {tenant['key']}"},
        json={
            "model": MODELS[number // len(tenants) % len(MODELS)].name,
            "messages": [{"role": "user", "content": "Hello. " * (number % CALLS)}],
            "max_tokens": 20 + number % CALLS,
            "stream": number % 2 > 0,
        },
    )
    return answer.status_code


def _is_reported(product: Product) -> bool:
    """Tell whether all that was committed is in the report of every tenant."""
    report = _report(product, start="2000-01-01", end="2100-01-01")
    with_usage = {row["tenant"] for row in report["data"] if row["requests"]}
    committed = _run(product, COUNT)
    reported = sum(row["requests"] for row in report["data"])
    return len(with_usage) >= len(CUSTOMERS) and reported == int(committed)


def _run(product: Product, lines: str) -> str:
    """Run lines of Python inside the product and return what they print."""
    return product.manage("shell", "--no-imports", "-c", lines)


def _report(product: Product, **query: str) -> dict[str, Any]:
    answer = httpx.get(
        f"{product.url}/api/v1/usage/",
        params={"group_by": "tenant", **query},
        headers={"authorization": f"Bearer {product.operator_token}"},
        trust_env=False,
        timeout=60,
    )
    if not answer.is_success:
        raise PictureError(f"the usage API answers {answer.status_code}: {answer.text}")
    document: dict[str, Any] = answer.json()
    return document


def _until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise PictureError(f"{what} does not come")
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
