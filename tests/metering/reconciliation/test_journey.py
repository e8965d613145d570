"""The main job leaves right books behind, and the commands end with their status."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from openai import OpenAI

from tests.journeys.main_job import close_this_month
from tests.journeys.product import ROOT, Product, running_product

pytestmark = pytest.mark.timeout(300)

CALLS = 12
TENANT = "demo"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Run a product and let a tenant use it, streamed and whole."""
    with running_product() as product:
        client = OpenAI(base_url=product.base_url, api_key=product.api_key)
        for number in range(CALLS):
            answer = client.chat.completions.create(
                model=product.model,
                messages=[{"role": "user", "content": f"Count to {number}."}],
                stream=number % 2 == 0,
            )
            if number % 2 == 0:
                list(answer)
        yield product


def manage(product: Product, *arguments: str) -> tuple[int, str]:
    """Run a command beside the product; return its status and stdout."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=product.env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def checked(product: Product, command: str) -> dict[str, Any]:
    """Run one of the two commands, which must find no difference."""
    status, printed = manage(product, command, "--json")
    assert status == 0, printed
    document: dict[str, Any] = json.loads(printed)
    return document


def test_the_books_of_the_main_job_are_right(product: Product) -> None:
    before = checked(product, "reconcile")
    assert sum(s["rows"] for s in before["steps"] if s["name"] == "metered") == CALLS

    invoice = close_this_month(product, TENANT)

    after = {step["name"]: step for step in checked(product, "reconcile")["steps"]}
    assert {step["waits"] for step in after.values()} == {0}
    sums = {step["charge_picos"] for step in after.values()}
    assert sums == {invoice["exact_picos"]}
    checked(product, "verify_ledger")


@pytest.fixture
def lost_events(product: Product) -> Iterator[None]:
    """Say of every epoch that it wrote one event more than there is."""
    with psycopg.connect(product.env["DATABASE_URL"], autocommit=True) as owner:
        before = owner.execute("SELECT id, last_seq, state FROM usage_epoch").fetchall()
        owner.execute(
            "UPDATE usage_epoch SET last_seq = last_seq + 1, state = 'closed'"
        )
        yield
        for epoch, last_seq, state in before:
            owner.execute(
                "UPDATE usage_epoch SET last_seq = %s, state = %s WHERE id = %s",
                (last_seq, state, epoch),
            )


@pytest.mark.usefixtures("lost_events")
def test_a_difference_is_status_1(product: Product) -> None:
    status, printed = manage(product, "verify_ledger")
    assert status == 1
    assert "epochs_numbered: epoch" in printed


@pytest.mark.parametrize("argument", ["--start=never", "--tenant=nobody", "--nonsense"])
def test_wrong_usage_is_status_2(product: Product, argument: str) -> None:
    assert manage(product, "reconcile", argument) == (2, "")
