"""The preview of a draft over HTTP and in the admin: before publishing, per tenant."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from kit.contracts import TokenCounts
from metering.jobs.models import Job
from metering.jobs.stepping import work
from metering.pricing import replaying
from metering.pricing.models import Price
from metering.pricing.previewing import last_month
from metering.pricing.services import draft_version, set_price
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.admin import action, confirm, page, signed_in, words
from tests.factories.pricing import make_book, make_price
from tests.factories.tenants import make_tenant
from tests.metering.pricing.test_previewing import used

VERSION = "pricing_pricebookversion"


@pytest.fixture
def tenants(operator_db: None) -> list[Tenant]:
    """Provide three tenants that used something last month, and a draft for them."""
    price = make_price(
        book=make_book(currency="EUR", is_default=True), per_million=("4", "4", "4")
    )
    book = Price.objects.get(pk=price.id).version.book
    now = database_now()
    draft = draft_version(book=book, effective_at=now + dt.timedelta(days=30))
    quotes = ("input_per_million", "cached_input_per_million", "output_per_million")
    set_price(version=draft, model=price.model, **dict.fromkeys(quotes, "5"))
    made = [make_tenant(currency="EUR") for _ in range(3)]
    for number, tenant in enumerate(made, 1):
        counts = TokenCounts(input_tokens=number * 10**6)
        used(tenant, price, counts, date=last_month(now=now).first_date)
    return made


def draft_id() -> int:
    return Price.objects.get(input_picos=5_000_000).version_id


def test_a_preview_is_paged_and_sums_up(
    operator: Client, tenants: list[Tenant]
) -> None:
    version = Price.objects.get(input_picos=5_000_000).version
    address = f"/api/v1/price-books/{version.book_id}/versions/2/preview/"

    first = operator.get(address, {"limit": 2}).json()
    rest = operator.get(first["next"]).json()

    shown = [each["tenant"]["id"] for each in first["data"] + rest["data"]]
    assert shown == [tenant.pk for tenant in reversed(tenants)]
    assert first["data"][0]["charged"] == "12.00"
    assert first["data"][0]["preview"] == "15.00"
    assert first["data"][0]["models"][0]["input_tokens"] == 3_000_000
    whole = operator.get(f"{address}total/").json()
    assert (whole["charged"], whole["preview"], whole["tenants"]) == (
        "24.00",
        "30.00",
        3,
    )
    assert operator.get(address, {"month": "2020-01"}).json()["data"] == []
    for wrong in ("2026-13", "2026", "october", "2026-1-"):
        refused = operator.get(address, {"month": wrong})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "month"


def test_a_draft_shows_what_it_means_before_it_is_published(
    tenants: list[Tenant],
) -> None:
    admin = signed_in()
    shown = words(admin.get(page(VERSION, "change", draft_id())).content)
    assert f"{tenants[2].slug} 12.00 EUR 15.00 EUR 3.00 EUR" in shown


def test_the_dialog_of_publication_says_what_the_last_preview_came_to(
    tenants: list[Tenant], django_assert_max_num_queries: Any
) -> None:
    admin = signed_in()

    def dialog() -> str:
        return words(admin.get(action(VERSION, "publish", draft_id())).content)

    assert "No preview counted all tenants. Ask for" in dialog()
    confirm(admin, action(VERSION, "preview", draft_id()))
    assert "is waiting: 0 of 3 counted" in dialog()
    work(now=database_now())
    with django_assert_max_num_queries(25):
        said = dialog()
    assert "(3 tenants) would have cost 30.00 EUR instead of 24.00 EUR" in said
    version = Price.objects.get(input_picos=5_000_000).version
    quotes = ("input_per_million", "cached_input_per_million", "output_per_million")
    set_price(version=version, model="new", **dict.fromkeys(quotes, "1"))
    assert "The draft was changed since" in dialog()


def test_a_draft_that_changes_meanwhile_fails_its_preview(
    tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "STEP_TENANTS", 2)
    version = Price.objects.get(input_picos=5_000_000).version
    job = replaying.ask_preview(version=version)
    work(now=database_now())
    quotes = ("input_per_million", "cached_input_per_million", "output_per_million")
    set_price(version=version, model="new", **dict.fromkeys(quotes, "1"))
    work(now=database_now())
    job.refresh_from_db()
    assert (job.state, job.done) == ("failed", 2)
    assert "changed meanwhile" in job.problem


def test_a_preview_of_all_is_a_job(
    tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "STEP_TENANTS", 2)
    admin, now = signed_in(), database_now()
    asked = confirm(admin, action(VERSION, "preview", draft_id()))
    job = Job.objects.get()
    assert asked["Location"] == page("jobs_job", "change", job.pk)
    assert job.whole == 3

    assert work(now=now) == 1
    job.refresh_from_db()
    assert (job.state, job.done, job.whole) == ("running", 2, 3)
    assert work(now=now) == 1
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", 3)
    assert job.outcome["charged"] == "24.00 EUR"
    assert job.outcome["under this version"] == "30.00 EUR"
    assert job.outcome["tenants that pay over 10 % more"] == 3
    assert job.outcome["most more"].startswith(f"{tenants[2].slug} 3.00 EUR")

    shown = words(admin.get(page(VERSION, "change", draft_id())).content)
    assert "more: 6.00 EUR" in shown
