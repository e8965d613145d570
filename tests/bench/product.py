"""The product as it is measured: everything on, and durable.

The key's tenant has what a plan gives: three rate limits and a budget, too large to be
reached. They are counted and held like any other. Failure: a store that does not write
through, or a gateway that shows no limit, ends the run: fast would then mean nothing.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from config.env import DatabaseSettings
from tests.bench.machine import Cores, pin
from tests.bench.scenarios import PATH, SCENARIOS
from tests.bench.targets import MODEL, POLL_S, TOLLGATE, BenchError, Engine, Target
from tests.journeys.product import ROOT, Product, running_product

EFFECT_S_MAX = 20.0
_RATE = 1_000_000_000
_LIMITS: Mapping[str, list[dict[str, Any]]] = {
    "rate-limits": [
        {"unit": "requests", "window": "minute", "value": _RATE},
        {"unit": "tokens", "window": "minute", "value": _RATE * 100},
        {"unit": "concurrent_requests", "value": 1_000_000},
    ],
    "budgets": [{"window": "month", "amount": "100000000.00"}],
}
HOLDERS = ("tenant",)
# What a commit that is told of must survive.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# More than any load here; by itself a replica is given a real engine's share.
_SLOTS = 20_000
_SHOWN_LIMIT = "x-ratelimit-limit-requests"


@contextlib.contextmanager
def running_tollgate(
    engine: Engine, cores: Cores, *, name: str = TOLLGATE, root: Path = ROOT
) -> Iterator[Target]:
    """Run the product as `make up` does, with all that a request costs behind it."""
    with running_everything(engine, cores, name=name, root=root) as (target, _):
        yield target


@contextlib.contextmanager
def running_everything(
    engine: Engine,
    cores: Cores,
    *,
    name: str = TOLLGATE,
    root: Path = ROOT,
    holders: Sequence[str] = HOLDERS,
) -> Iterator[tuple[Target, Product]]:
    """Run the product; its target has a key of its own, which these limits hold for."""
    settings = {"ENGINE_DIALECT": "vllm", "GATEWAYS": "1"}
    with running_product(engine.url, MODEL, settings, root=root) as product:
        refuse_unsafe(durability(product))
        gateway = product.pid("gateway-1")
        target = Target(
            name,
            urlsplit(product.url).port or 0,
            key=limited_key(product, holders),
            gateway_pid=gateway,
            database_pid=product.pid("postgres"),
            cache_pid=product.pid("valkey"),
        )
        pin(gateway, cores.gateway)
        yield target, product


def durability(product: Product) -> dict[str, str]:
    """Return how PostgreSQL keeps what the gateway commits, in its own words."""
    settings = DatabaseSettings(database_url=product.env["DATABASE_URL"])  # type: ignore[call-arg]
    with psycopg.connect(settings.url_for("gateway")) as session:
        return {
            name: str(session.execute(f"SHOW {name}").fetchall()[0][0])
            for name in DURABLE
        }


def refuse_unsafe(said: Mapping[str, str]) -> None:
    """Raise `BenchError` where a commit would not survive a power cut."""
    for name, value in said.items():
        if value != DURABLE[name]:
            raise BenchError(f"PostgreSQL has {name} = {value}")


def limited_key(product: Product, holders: Sequence[str] = HOLDERS) -> str:
    """Make a key with limits of every kind; return it once they hold."""
    headers = {"authorization": f"Bearer {product.operator_token}"}
    with httpx.Client(
        base_url=f"{product.url}/api/v1/", headers=headers, trust_env=False, timeout=30
    ) as api:
        first = _ok(api.get("keys/"))["data"][0]
        made = _ok(
            api.post("keys/", json={"project": first["project"], "name": "bench"})
        )
        for replica in _ok(api.get("replicas/"))["data"]:
            # An older checkout, compared with this one, has no such field.
            api.patch(f"replicas/{replica['id']}/", json={"slots": _SLOTS})
        for kind, terms in _LIMITS.items():
            for each in terms:
                for holder in holders:
                    ident = made["id"] if holder == "key" else made["tenant"]
                    _ok(api.post(f"{kind}/", json={**each, holder: ident}))
    _wait_until_limited(product, made["key"])
    return str(made["key"])


def _wait_until_limited(product: Product, key: str) -> None:
    body = SCENARIOS["ns"].body(model=MODEL)
    deadline, status = time.monotonic() + EFFECT_S_MAX, 0
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with httpx.Client(base_url=product.url, trust_env=False, timeout=10) as client:
        while time.monotonic() < deadline:
            answer = client.post(PATH, content=body, headers=headers)
            status = answer.status_code
            if answer.is_success and _SHOWN_LIMIT in answer.headers:
                return
            time.sleep(POLL_S)
    raise BenchError(f"the key of the bench has no limits: status {status}")


def _ok(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise BenchError(f"{answer.request.url.path}: {answer.text[:500]}")
    return answer.json()
