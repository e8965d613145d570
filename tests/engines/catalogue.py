"""Add to what a product serves: a model, its replica, a price; and another tenant.

All through the management API, as an operator would. Returns once a gateway knows it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from openai import OpenAI

from tests.engines.events import operate, until
from tests.journeys.product import Product

PRICE = {
    "input_per_million": "1",
    "cached_input_per_million": "0.5",
    "output_per_million": "2",
}


def serve(
    product: Product, model: str, url: str, *, tasks: Sequence[str], upstream: str
) -> None:
    """Serve a model by an engine, and wait until it may be called."""
    operate(
        product,
        "POST",
        "models/",
        {"name": model, "context_tokens": 4096, "tasks": list(tasks)},
    )
    replica = {"model": model, "name": model, "url": url, "upstream_model": upstream}
    operate(product, "POST", "replicas/", replica)
    price(product, model)
    with OpenAI(base_url=product.base_url, api_key=product.api_key) as client:
        until(lambda: model in [each.id for each in client.models.list()])


def price(product: Product, model: str) -> None:
    """Publish a version of every price book in which the model has a price, too."""
    for book in operate(product, "GET", "price-books/")["data"]:
        versions = f"price-books/{book['id']}/versions/"
        listed = operate(product, "GET", versions)["data"]
        prices: list[dict[str, Any]] = [
            {name: each[name] for name in ("model", *PRICE)}
            for each in listed[0]["prices"]
        ]
        draft = operate(
            product, "POST", versions, {"effective_at": datetime.now(UTC).isoformat()}
        )
        version = f"{versions}{draft['number']}/"
        all_prices = {"prices": [*prices, {"model": model, **PRICE}]}
        operate(product, "PUT", f"{version}prices/", all_prices)
        operate(product, "POST", f"{version}publish/", {})


def another_tenant(product: Product, slug: str) -> str:
    """Add a tenant with a project and a key; return the key."""
    tenant = operate(
        product, "POST", "tenants/", {"slug": slug, "name": slug, "currency": "USD"}
    )
    project = operate(
        product,
        "POST",
        "projects/",
        {"tenant": tenant["id"], "slug": "one", "name": "One"},
    )
    issued = operate(
        product,
        "POST",
        "keys/",
        {"project": project["id"], "name": "One", "member": None},
    )
    key: str = issued["key"]
    with OpenAI(base_url=product.base_url, api_key=key, max_retries=0) as client:
        until(lambda: _is_known(client))
    return key


def _is_known(client: OpenAI) -> bool:
    try:
        return bool(list(client.models.list()))
    except Exception:
        return False
