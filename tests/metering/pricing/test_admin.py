"""Price books in the admin: prices are quotes, publication asks and is final."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from metering.pricing.comparing import changed_by
from metering.pricing.models import (
    Price,
    PriceBook,
    PriceBookAssignment,
    PriceBookVersion,
)
from metering.pricing.services import draft_version, publish_version, set_price
from tests.admin import (
    action,
    confirm,
    page,
    signed_in,
    submit,
    words,
)
from tests.admin.forms import fields_of
from tests.factories.pricing import LONG_AGO, make_book
from tests.factories.tenants import make_tenant

BOOK, VERSION = "pricing_pricebook", "pricing_pricebookversion"
LATER = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


@pytest.fixture
def draft(operator_db: None) -> PriceBookVersion:
    """Provide a draft with one price."""
    return drafted(make_book(), "demo-model")


def drafted(
    book: PriceBook, *models: str, effective_at: dt.datetime = LONG_AGO
) -> PriceBookVersion:
    """Draft a version that lists the models."""
    version = draft_version(book=book, effective_at=effective_at)
    for model in models:
        set_price(
            version=version,
            model=model,
            input_per_million="3",
            cached_input_per_million="0.3",
            output_per_million="15",
        )
    return version


def change(version: PriceBookVersion) -> str:
    """Return the address of a version's page."""
    return page(VERSION, "change", version.pk)


def price_form(number: int, model: str, quote: str = "1.25") -> dict[str, str]:
    """Fill in one row of the prices."""
    return {
        f"prices-{number}-model": model,
        f"prices-{number}-input_per_million": quote,
        f"prices-{number}-cached_input_per_million": quote,
        f"prices-{number}-output_per_million": quote,
    }


def prices(version: PriceBookVersion) -> dict[str, int]:
    """Return the input price of each model of a version."""
    return dict(version.prices.values_list("model", "input_picos"))


@pytest.mark.parametrize("model", [BOOK, VERSION, "pricing_pricebookassignment"])
def test_lists_and_forms_load(
    admin: Client, draft: PriceBookVersion, model: str
) -> None:
    for address in (
        page(model, "changelist"),
        page(model, "changelist") + "?q=demo",
        page(model, "add"),
    ):
        assert admin.get(address).status_code == 200, address


def test_a_book_is_created_and_stays_as_it_is(admin: Client) -> None:
    form = {"name": "Standard", "currency": "EUR", "is_default": "on"}
    assert admin.post(page(BOOK, "add"), form).status_code == 302

    book = PriceBook.objects.get()
    other = {"name": "Other", "currency": "USD"}
    assert submit(admin, page(BOOK, "change", book.pk), other).status_code == 302
    book.refresh_from_db()
    assert (book.name, book.currency, book.is_default) == ("Standard", "EUR", True)


def test_a_draft_starts_with_the_prices_in_force(
    admin: Client, draft: PriceBookVersion
) -> None:
    publish_version(version=draft, now=LONG_AGO)
    way = admin.get(action(BOOK, "draft", draft.book_id))
    form = {
        "book": draft.book_id,
        "effective_at_0": "2199-01-01",
        "effective_at_1": "00:00:00",
    }

    assert way["Location"] == f"{page(VERSION, 'add')}?book={draft.book_id}"
    assert admin.post(way["Location"], form).status_code == 302
    version = PriceBookVersion.objects.get(number=2)
    assert prices(version) == prices(draft) != {}
    assert version.effective_at == LATER


def test_prices_are_shown_and_set_as_quotes(
    admin: Client, draft: PriceBookVersion
) -> None:
    assert b'value="15.00"' in admin.get(change(draft)).content
    form = price_form(1, "other", "0.000001") | {"prices-TOTAL_FORMS": "2"}

    assert submit(admin, change(draft), form).status_code == 302
    assert prices(draft) == {"demo-model": 3_000_000, "other": 1}


def test_a_price_is_renamed_and_removed(admin: Client, draft: PriceBookVersion) -> None:
    assert submit(admin, change(draft), price_form(0, "renamed")).status_code == 302
    assert prices(draft) == {"renamed": 1_250_000}

    gone = {"prices-0-DELETE": "on"}
    assert submit(admin, change(draft), gone).status_code == 302
    assert prices(draft) == {}


@pytest.mark.parametrize(
    "quote",
    ["three", "-1", "0.0000001", "1e3", "1_000", "1,50", "\u0661\u0662", "Infinity"],
)
def test_a_wrong_quote_is_said_beside_its_field(
    admin: Client, draft: PriceBookVersion, quote: str
) -> None:
    before = prices(draft)

    response = submit(admin, change(draft), price_form(0, "demo-model", quote))

    assert response.status_code == 200
    assert f'value="{quote}"'.encode() in response.content
    reasons = ("such as 2.50", "more than 6 decimals")
    assert any(reason in words(response.content) for reason in reasons)
    assert prices(draft) == before


def test_what_the_service_refuses_is_said_and_nothing_is_written(
    admin: Client, draft: PriceBookVersion
) -> None:
    before = prices(draft)
    form = price_form(0, "demo-model", "5000001")

    response = submit(admin, change(draft), form)

    assert "at most 5000000" in words(response.content)
    assert "5000001" in fields_of(response).values()
    assert prices(draft) == before


def test_the_beginning_of_a_draft_can_be_moved(
    admin: Client, draft: PriceBookVersion
) -> None:
    form = {"effective_at_0": "2199-01-01", "effective_at_1": "00:00:00"}

    assert submit(admin, change(draft), form).status_code == 302
    draft.refresh_from_db()
    assert draft.effective_at == LATER


def test_publication_says_what_it_does_and_happens_by_post_only(
    admin: Client, draft: PriceBookVersion
) -> None:
    address = action(VERSION, "publish", draft.pk)

    dialog = words(admin.get(address).content)
    draft.refresh_from_db()
    assert "Prices: 1, from 2020-01-01 00:00 UTC on. Models left out: none." in dialog
    assert draft.published_at is None
    assert f"Type “{draft}”" in words(confirm(admin, address, typed="yes").content)
    draft.refresh_from_db()
    assert draft.published_at is None

    confirm(admin, address, typed=str(draft))
    draft.refresh_from_db()
    assert draft.published_at is not None


def test_models_left_out_are_named_and_closed_only_when_said(
    admin: Client, draft: PriceBookVersion
) -> None:
    publish_version(version=draft, now=LONG_AGO)
    soon = timezone.now() + dt.timedelta(days=30)
    version = drafted(draft.book, "other", effective_at=soon)
    address = action(VERSION, "publish", version.pk)

    assert "Models left out: demo-model." in words(admin.get(address).content)
    confirm(admin, address, typed=str(version))
    version.refresh_from_db()
    assert version.published_at is None
    assert "lists no price for demo-model" in words(admin.get(change(version)).content)

    confirm(admin, address, typed=str(version), drop="on")
    version.refresh_from_db()
    assert version.published_at is not None


def test_a_draft_whose_instant_went_by_begins_as_it_is_published(
    admin: Client, draft: PriceBookVersion
) -> None:
    publish_version(version=draft, now=LONG_AGO)
    meant = timezone.now() - dt.timedelta(minutes=20)
    version = drafted(draft.book, "demo-model", effective_at=meant)
    address = action(VERSION, "publish", version.pk)
    said = f"from now, {meant:%Y-%m-%d %H:%M} UTC being over, on."
    assert said in words(admin.get(address).content)

    confirm(admin, address, typed=str(version))

    version.refresh_from_db()
    assert version.published_at == version.effective_at > meant


def test_a_version_is_shown_beside_the_one_before(
    admin: Client, draft: PriceBookVersion
) -> None:
    assert "every price is new" in words(admin.get(change(draft)).content)
    publish_version(version=draft, now=LONG_AGO)
    version = drafted(draft.book, "demo-model", "other", effective_at=LATER)
    quotes = {"input_per_million": "4.5", "output_per_million": "12"}
    set_price(
        version=version, model="demo-model", cached_input_per_million="0.3", **quotes
    )
    shown = words(admin.get(change(version)).content)
    assert "demo-model 3.00 → 4.50 (+50.0 %) 0.30 15.00 → 12.00 (-20.0 %)" in shown
    assert "other new 3.00 new 0.30 new 15.00" in shown
    assert f"against {draft}. As before: 0." in shown


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (3, 3, "same"),
        (0, 3, "from nothing"),
        (1000, 1001, "+0.1 %"),
        (2000, 2001, "+0.1 %"),
        (1000, 0, "-100.0 %"),
        (1, 21, "+2,000.0 %"),
    ],
)
def test_changes_are_said_in_percent(before: int, after: int, said: str) -> None:
    assert changed_by(before, after) == said


def test_a_published_version_is_only_shown(
    admin: Client, draft: PriceBookVersion
) -> None:
    publish_version(version=draft, now=LONG_AGO)
    before = list(Price.objects.values_list())

    content = admin.get(change(draft)).content
    refused = admin.post(change(draft), price_form(0, "demo-model"))

    assert b"prices-0-input_per_million" not in content
    assert action(VERSION, "publish", draft.pk).encode() not in content
    assert "15.00" in words(content)
    assert "Discounts none: every price is quoted" in words(content)
    assert refused.status_code == 403
    assert list(Price.objects.values_list()) == before


@pytest.mark.parametrize("model", [BOOK, VERSION])
def test_nothing_is_deleted(admin: Client, draft: PriceBookVersion, model: str) -> None:
    pk = draft.book_id if model == BOOK else draft.pk

    assert admin.post(page(model, "delete", pk), {"post": "yes"}).status_code == 403
    assert PriceBookVersion.objects.filter(pk=draft.pk).exists()


def test_a_tenant_is_assigned_a_book_of_its_currency_only(
    admin: Client, operator_db: None
) -> None:
    tenant, dollars = make_tenant(currency="USD"), make_book(currency="USD")
    euros = make_book(currency="EUR")
    add = page("pricing_pricebookassignment", "add")

    now = {"starts_at_0": f"{timezone.now():%Y-%m-%d}", "starts_at_1": "23:59:59"}
    refused = admin.post(add, {"tenant": tenant.pk, "book": euros.pk, **now})
    assert not PriceBookAssignment.objects.exists()
    assert "is in EUR" in words(refused.content)

    admin.post(add, {"tenant": tenant.pk, "book": dollars.pk, **now})
    row = PriceBookAssignment.objects.get()
    assert row.book == dollars

    end = action("pricing_pricebookassignment", "end", row.pk)
    assert "pays by the default book for USD" in words(admin.get(end).content)
    confirm(admin, end)
    assert not PriceBookAssignment.objects.exists()
