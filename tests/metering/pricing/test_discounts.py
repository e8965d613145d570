"""A version's discounts: what is not quoted follows, whole and the same for good."""

import datetime as dt
from decimal import Decimal

import pytest

from kit.errors import Conflict, InvalidRequest
from metering.pricing.discounting import set_discounts
from metering.pricing.models import PriceBookVersion
from metering.pricing.services import (
    draft_version,
    publish_version,
    remove_price,
    set_price,
)
from tests.factories.pricing import make_book

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def draft(operator_db: None) -> PriceBookVersion:
    """Provide a draft in yen with a discount on cached input and for batches."""
    version = draft_version(book=make_book(currency="JPY"), effective_at=NOW)
    return set_discounts(
        version=version,
        cached_input_discount_percent=Decimal(90),
        batch_discount_percent=Decimal(50),
    )


def prices(version: PriceBookVersion) -> dict[str, tuple[int, int, int]]:
    """Return what a version lists, in picos."""
    return {
        row.model: (row.input_picos, row.cached_input_picos, row.output_picos)
        for row in version.prices.all()
    }


def test_what_is_not_quoted_follows(draft: PriceBookVersion) -> None:
    set_price(
        version=draft, model="m", input_per_million="450", output_per_million="1500"
    )
    assert prices(draft) == {
        "m": (450_000_000, 45_000_000, 1_500_000_000),
        "m@batch": (225_000_000, 22_500_000, 750_000_000),
    }

    set_price(
        version=draft,
        model="m",
        input_per_million="450",
        cached_input_per_million="100",
        output_per_million="1500",
    )
    assert prices(draft)["m@batch"] == (225_000_000, 50_000_000, 750_000_000)


def test_what_follows_goes_with_its_model_or_its_discount(
    draft: PriceBookVersion,
) -> None:
    for model in ("m", "n"):
        set_price(
            version=draft, model=model, input_per_million="4", output_per_million="8"
        )
    remove_price(version=draft, model="n")
    assert set(prices(draft)) == {"m", "m@batch"}

    quoted = {"input_per_million": "1", "output_per_million": "1"}
    set_price(version=draft, model="m@batch", **quoted)
    assert prices(draft)["m@batch"] == (1_000_000, 100_000, 1_000_000)
    remove_price(version=draft, model="m@batch")
    assert prices(draft)["m@batch"] == (2_000_000, 200_000, 4_000_000)

    set_discounts(
        version=draft,
        batch_discount_percent=None,
        answer_cache_discount_percent=Decimal(75),
    )
    assert set(prices(draft)) == {"m", "m@cache"}


def test_a_cached_price_is_quoted_or_follows_and_is_never_made_up(
    draft: PriceBookVersion,
) -> None:
    bare = draft_version(book=make_book(), effective_at=NOW)
    with pytest.raises(InvalidRequest, match="Quote a cached price"):
        set_price(
            version=bare, model="m", input_per_million="4", output_per_million="8"
        )
    set_price(version=draft, model="m", input_per_million="4", output_per_million="8")
    with pytest.raises(InvalidRequest, match="for m first"):
        set_discounts(version=draft, cached_input_discount_percent=None)


@pytest.mark.parametrize("percent", ["-0.0001", "100.0001", "1.00001", "NaN"])
def test_what_is_no_percentage_is_refused(
    draft: PriceBookVersion, percent: str
) -> None:
    with pytest.raises(InvalidRequest):
        set_discounts(version=draft, batch_discount_percent=Decimal(percent))


def test_published_discounts_stay_and_a_copy_has_them(draft: PriceBookVersion) -> None:
    set_price(version=draft, model="m", input_per_million="4", output_per_million="8")
    published = publish_version(version=draft, now=NOW)
    with pytest.raises(Conflict, match="is published"):
        set_discounts(version=published, batch_discount_percent=None)

    copy = draft_version(book=published.book, effective_at=LATER, copy_from=published)
    assert prices(copy) == prices(published)
    set_discounts(version=copy, cached_input_discount_percent=Decimal(50))
    assert prices(copy)["m"] == (4_000_000, 2_000_000, 8_000_000)
    set_discounts(version=copy, batch_discount_percent=None)
    with pytest.raises(Conflict, match="no price for m@batch"):
        publish_version(version=copy, now=NOW)
    publish_version(version=copy, now=NOW, drop=["m@batch"])


def test_a_name_has_room_for_its_marks(draft: PriceBookVersion) -> None:
    quotes = {"input_per_million": "1", "output_per_million": "1"}
    with pytest.raises(InvalidRequest, match="at most 122") as refused:
        set_price(version=draft, model="m" * 123, **quotes)
    assert refused.value.param == "model"
    set_price(version=draft, model="m" * 122, **quotes)
    assert len(prices(draft)) == 2
    set_discounts(version=draft, batch_discount_percent=None)
    set_price(version=draft, model="n" * 128, **quotes)
