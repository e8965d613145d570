"""`make up` as a whole: what it keeps, what it mends, what it leaves behind."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
import stripe

from config.env import load
from config.local.children import LOOPBACK, free_port
from config.local.programs import parts, plan
from config.local.settings import UpSettings
from config.local.state import State
from tests.journeys.product import (
    Product,
    processes_of,
    running_product,
    said,
    started,
    temporary_state,
    wait_until_up,
)

PATIENCE_SECONDS = 30.0
NAMES = {
    *("postgres", "valkey", "engine-1", "stripe", "web", "worker", "beat"),
    *("gateway-1", "gateway-2"),
}

pytestmark = pytest.mark.timeout(240)


def until(condition: Callable[[], bool], state: Path) -> None:
    """Wait for something that the product brings about."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, said(state)
        time.sleep(0.05)


def kill_and_see_it_come_back(product: Product, name: str) -> None:
    """Kill one process and wait until another one has its place."""
    before = product.pid(name)
    file = product.state_dir / "pids" / f"{name}.pid"
    os.kill(before, signal.SIGKILL)
    until(
        lambda: file.exists() and file.read_text() != f"{before}\n", product.state_dir
    )


def answers(product: Product) -> bool:
    """Tell whether the database behind the product answers and the gateway is ready."""
    try:
        psycopg.connect(product.env["DATABASE_URL"], connect_timeout=2).close()
        ready = httpx.get(f"{product.url}/readyz", trust_env=False)
    except (psycopg.OperationalError, httpx.TransportError):
        return False
    return ready.status_code == httpx.codes.OK


def test_what_is_killed_comes_back_and_state_is_kept() -> None:
    with temporary_state() as state:
        bare = {"GATEWAYS": "2", "BILLING_PROVIDER": ""}
        with running_product(state_dir=state, env=bare) as first:
            assert {file.stem for file in (state / "pids").iterdir()} == NAMES
            assert (state / "demo.env").stat().st_mode & 0o777 == 0o600
            the_database_asks_for_a_password(first)
            customer = customer_at_stripe(first)
            for name in ("postgres", "valkey", "stripe", "gateway-1", "worker"):
                kill_and_see_it_come_back(first, name)
            until(lambda: answers(first), state)
        a_killed_supervisor_leaves_nothing(state)
        with running_product(state_dir=state, env={"BILLING_PROVIDER": ""}) as second:
            assert secrets_of(second) == secrets_of(first)
            assert stripe_of(second).v1.customers.retrieve(customer).name == "Kept"
            with started({"STATE_DIR": str(state), "PORT": str(free_port())}) as third:
                assert third.wait(PATIENCE_SECONDS) == 1
            assert answers(second)


def a_killed_supervisor_leaves_nothing(state: Path) -> None:
    port = str(free_port())
    with started({"STATE_DIR": str(state), "PORT": port}) as supervisor:
        wait_until_up(supervisor, f"http://{LOOPBACK}:{port}", state)
        supervisor.kill()
    until(lambda: processes_of(state) == [], state)


def stripe_of(product: Product) -> stripe.StripeClient:
    return stripe.StripeClient(
        product.env["STRIPE_API_KEY"],
        base_addresses={"api": product.env["STRIPE_API_BASE"]},
    )


def customer_at_stripe(product: Product) -> str:
    return stripe_of(product).v1.customers.create({"name": "Kept"}).id


@pytest.mark.parametrize(
    "given",
    [
        {"BILLING_PROVIDER": "offline"},
        {"STRIPE_API_KEY": "sk_test_mine"},
        {"STRIPE_ACCOUNTS": "{}"},
    ],
)
def test_who_says_where_invoices_go_gets_no_standin(
    given: dict[str, str], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BILLING_PROVIDER", "STRIPE_API_KEY", "STRIPE_ACCOUNTS"):
        monkeypatch.delenv(name, raising=False)
    wanted = plan(load(UpSettings), state)
    assert "stripe" in {program.name for program in parts(wanted)}
    env = wanted.product_env()
    assert env["BILLING_PROVIDER"] == "stripe"
    assert env["STRIPE_API_KEY"].startswith("sk_test_")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert "stripe" not in {program.name for program in parts(wanted)}
    env = wanted.product_env()
    assert env.get("STRIPE_API_BASE", "") == ""
    assert env.get("STRIPE_API_KEY", "") == given.get("STRIPE_API_KEY", "")


def the_database_asks_for_a_password(product: Product) -> None:
    url = urlsplit(product.env["DATABASE_URL"])
    for role in ("tollgate_owner", "tollgate_operator", "postgres"):
        stranger = url._replace(netloc=f"{role}:guessed@{LOOPBACK}:{url.port}")
        with pytest.raises(psycopg.OperationalError, match="authentication"):
            psycopg.connect(urlunsplit(stranger))


def secrets_of(product: Product) -> tuple[str, ...]:
    return product.api_key, product.operator_token, product.admin_password


def test_a_taken_port_is_one_clear_line() -> None:
    with temporary_state() as state, socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with started({"STATE_DIR": str(state), "PORT": str(port)}) as supervisor:
            assert supervisor.wait(PATIENCE_SECONDS) == 1
        assert f"port {port} of {LOOPBACK} is in use" in said(state)
        assert processes_of(state) == []


def test_a_wrong_setting_is_one_clear_line() -> None:
    with temporary_state() as state:
        with started({"STATE_DIR": str(state), "GATEWAYS": "many"}) as supervisor:
            assert supervisor.wait(PATIENCE_SECONDS) == 1
        assert said(state).startswith("tollgate: GATEWAYS: ")
        assert said(state).count("\n") == 1


def test_what_does_not_come_up_stops_everything() -> None:
    with temporary_state() as state:
        settings = {
            "STATE_DIR": str(state),
            "PORT": str(free_port()),
            "DATABASE_URL": f"postgresql://nobody@{LOOPBACK}:{free_port()}/none",
        }
        with started(settings) as supervisor:
            assert supervisor.wait(PATIENCE_SECONDS) == 1
        assert f"prepare failed: see {state}/logs/prepare.log" in said(state)
        assert processes_of(state) == []


def test_an_end_before_the_start_is_complete_leaves_nothing() -> None:
    with temporary_state() as state:
        settings = {"STATE_DIR": str(state), "PORT": str(free_port())}
        with started(settings) as supervisor:
            until((state / "pids" / "postgres.pid").exists, state)
            supervisor.send_signal(signal.SIGINT)
            try:
                assert supervisor.wait(PATIENCE_SECONDS) == 0
            except subprocess.TimeoutExpired:
                pytest.fail(said(state))
        assert processes_of(state) == []
