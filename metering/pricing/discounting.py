"""Keep a draft's prices as its discounts make them.

What is not quoted follows: a cached price from the input price, `<model>@batch` and
`<model>@cache` from the model's. It is made anew with every change of a draft, so that
what is shown, previewed and published is what will be charged. Failure: a refused
change raises `Conflict` or `InvalidRequest` and writes nothing.
"""

from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal

from kit.errors import InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.pricing.models import DISCOUNTS, Price, PriceBookVersion
from metering.pricing.resolving import (
    ANSWER_CACHE,
    BATCH,
    VARIANTS,
    Discounts,
    Listed,
    resolved,
)

MODEL_CHARS_MAX = 128


def set_discounts(
    *, version: PriceBookVersion, **percents: Decimal | None
) -> PriceBookVersion:
    """Set what a draft's prices follow by: some of `DISCOUNTS`, each 0 to 100, or None.

    Raises `Conflict` once it is published, and `InvalidRequest` for what is no
    percentage and for taking away what a cached price follows.
    """
    if unknown := sorted(percents.keys() - set(DISCOUNTS)):
        raise TypeError(f"no discounts of a version: {', '.join(unknown)}")
    with atomic():
        draft = locked_draft(version)
        change(draft, percents, action="set_discounts")
        follow(draft)
        if draft.cached_input_discount_percent is None:
            named = draft.prices.filter(cached_follows=True).values_list("model")
            if models := [model for (model,) in named]:
                raise InvalidRequest(
                    f"Quote a cached price for {', '.join(models)} first: it follows "
                    "from this discount.",
                    param="cached_input_discount_percent",
                )
        return draft


def follow(draft: PriceBookVersion) -> None:
    """Make anew what follows in a draft, which the caller has locked."""
    have = {each.model: each for each in listed_in(draft.prices.all())}
    want = {each.model: each for each in resolved(have.values(), discounts_of(draft))}
    draft.prices.filter(model__in=have.keys() - want.keys()).delete()
    for model, price in want.items():
        if have.get(model) != price:
            if price.follows:
                require_room(model.removesuffix(BATCH).removesuffix(ANSWER_CACHE))
            draft.prices.update_or_create(model=model, defaults=asdict(price))


def require_room(model: str) -> None:
    """Refuse a name too long for its marks, by which other prices follow from its own.

    Raises `InvalidRequest`.
    """
    longest = MODEL_CHARS_MAX - max(map(len, VARIANTS))
    if len(model) > longest and not model.endswith(VARIANTS):
        raise InvalidRequest(
            f"'{model[:40]}...' is too long: '{BATCH}' is put behind it. Use at most "
            f"{longest} characters.",
            param="model",
        )


def listed_in(prices: Iterable[Price]) -> list[Listed]:
    """Return rows as the values that resolving works with."""
    return [
        Listed(
            model=price.model,
            input_picos=price.input_picos,
            cached_input_picos=price.cached_input_picos,
            output_picos=price.output_picos,
            cached_follows=price.cached_follows,
            follows=price.follows,
        )
        for price in prices
    ]


def discounts_of(version: PriceBookVersion) -> Discounts:
    """Return a version's discounts as resolving takes them."""
    return Discounts(
        cached_input=version.cached_input_discount_percent,
        batch=version.batch_discount_percent,
        answer_cache=version.answer_cache_discount_percent,
    )


def locked_draft(version: PriceBookVersion) -> PriceBookVersion:
    """Return a version as it is now, locked; raises `Conflict` when it is no draft."""
    draft = PriceBookVersion.objects.select_for_update().get(pk=version.pk)
    draft.require_draft()
    return draft
