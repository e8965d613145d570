"""Contracts in the admin: drafted, signed by a dialog, and only shown then."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from metering.pricing.models import Contract, Price
from tests.admin import action, confirm, page, signed_in, submit, words
from tests.factories.pricing import make_book, make_price
from tests.factories.tenants import make_tenant

CONTRACT = "pricing_contract"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


@pytest.fixture
def draft(admin: Client) -> Contract:
    """Provide a contract that was drafted on its page."""
    book = make_book()
    make_price(book=book)
    begins = timezone.now() + dt.timedelta(days=30)
    form = {
        "name": "2199",
        "tenant": make_tenant().pk,
        "base": book.pk,
        "starts_at_0": f"{begins:%Y-%m-%d}",
        "starts_at_1": "00:00:00",
        "discount_percent": "10",
    }
    assert admin.post(page(CONTRACT, "add"), form).status_code == 302
    return Contract.objects.get()


def test_terms_are_said_signed_and_stay(admin: Client, draft: Contract) -> None:
    change = page(CONTRACT, "change", draft.pk)
    row = {
        "prices-TOTAL_FORMS": "1",
        "prices-0-model": "own",
        "prices-0-input_per_million": "1.25",
        "prices-0-cached_input_per_million": "0.25",
        "prices-0-output_per_million": "5",
    }
    assert submit(admin, change, row).status_code == 302
    assert draft.prices.get().input_picos == 1_250_000
    assert b'value="1.25"' in admin.get(change).content

    sign = action(CONTRACT, "sign", draft.pk)
    dialog = words(admin.get(sign).content)
    assert "less 10 % from" in dialog
    assert "terms of their own: 1." in dialog
    confirm(admin, sign)
    draft.refresh_from_db()
    assert draft.state == "signed"
    listed = Price.objects.filter(version__book=draft.book)
    assert dict(listed.values_list("model", "input_picos")) == {
        "demo-model": 2_700_000,
        "own": 1_250_000,
    }

    assert "1.25" in words(admin.get(change).content)
    assert sign.encode() not in admin.get(change).content
    assert admin.post(change, {**row, "name": "other"}).status_code == 403
    confirm(admin, action(CONTRACT, "end", draft.pk))
    draft.refresh_from_db()
    assert draft.state == "ended"


def test_half_a_price_is_refused_and_said(admin: Client, draft: Contract) -> None:
    change = page(CONTRACT, "change", draft.pk)
    half = {
        "prices-TOTAL_FORMS": "1",
        "prices-0-model": "own",
        "prices-0-input_per_million": "1.25",
    }
    answer = submit(admin, change, half)
    assert "all three prices, or a percentage" in words(answer.content)
    assert not draft.prices.exists()
    assert admin.get(page(CONTRACT, "changelist") + "?q=2199").status_code == 200
