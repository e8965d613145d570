"""Operations of prices, called for real, and what they refuse."""

import datetime as dt
from typing import Any

from django.test import Client

from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.api.calling import Caller, soon, taken
from tests.factories.pricing import make_book, make_contract, make_price
from tests.factories.tenants import make_tenant


def call_pricing(call: Caller, tenant: int) -> None:
    """Create a price book, draft, price and publish two versions, and assign it."""
    book = call("create_price_book")["id"]
    first = call("create_price_book_version", book, copy_from=None)["number"]
    call("set_prices", book, first)
    call("update_price_book_version", book, first, effective_at=soon())
    call("publish_price_book_version", book, first, drop=[])
    second = call("create_price_book_version", book, copy_from=first)["number"]
    call("retrieve_price_book_version", book, second)
    call("preview_price_book_version", book, second, query="month=2026-10&limit=5")
    call("preview_price_book_version_total", book, second)
    call("list_price_book_versions", book, query="limit=1")
    call("list_price_books", query="currency=EUR")
    call("retrieve_price_book", book)
    call("assign_price_book", book, tenant=tenant)
    assigned = call("list_price_book_assignments", query=f"tenant={tenant}")["data"][0]
    call("end_price_book_assignment", assigned["id"])


def call_contracts(call: Caller, tenant: int) -> None:
    """Draft a contract, change, sign and end it."""
    base = make_book(currency=Tenant.objects.get(pk=tenant).currency)
    make_price(book=base)
    row = call("create_contract", tenant=tenant, price_book=base.pk)["id"]
    call("set_contract_prices", row)
    call("update_contract", row)
    assert call("sign_contract", row)["derived_price_book"]
    call("list_contracts", query=f"tenant={tenant}&price_book={base.pk}")
    assert call("retrieve_contract", row)["state"] == "signed"
    call("end_contract", row)


def conflicts_of_contracts(client: Client) -> dict[str, Any]:
    """Sign what begins in the past, and change or end then what is signed."""
    base = make_book()
    make_price(book=base)
    tenant = make_tenant()
    ids = {"tenant": tenant.pk, "price_book": base.pk}
    late = taken(client, "create_contract", **ids, starts_at="2020-02-01T00:00:00Z")
    draft = late.json()["id"]
    contract = make_contract(tenant=tenant, base=base)
    signed = contract.pk
    return {
        "create_price_book_version": taken(
            client, "create_price_book_version", contract.book.pk, copy_from=None
        ),
        "sign_contract": taken(client, "sign_contract", draft),
        "end_contract": taken(
            client, "end_contract", signed, ends_at="2020-02-01T00:00:00Z"
        ),
        "update_contract": taken(client, "update_contract", signed),
        "set_contract_prices": taken(client, "set_contract_prices", signed),
    }


def conflicts_of_assignments(client: Client, book: int) -> dict[str, Any]:
    """Assign a book for what is over, and end it then."""
    tenant = make_tenant(currency="EUR").pk
    ahead: dict[str, Any] = {"tenant": tenant, "starts_at": None}
    row = taken(client, "assign_price_book", book, **ahead).json()["id"]
    over = (database_now() - dt.timedelta(hours=1)).isoformat()
    return {
        "assign_price_book": taken(
            client, "assign_price_book", book, tenant=tenant, starts_at=over
        ),
        "end_price_book_assignment": taken(
            client, "end_price_book_assignment", row, ends_at=over
        ),
    }
