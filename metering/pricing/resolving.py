"""Turn discounts, and a contract's terms, into whole picos per token. Pure.

Each price is rounded half up once, from the published price that it is a share of; what
is stored is the result, so that charging by it rounds nothing. Failure: none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from kit.money import picos_less

# Behind a model's name, in whose place these are priced.
BATCH = "@batch"
ANSWER_CACHE = "@cache"
VARIANTS = (BATCH, ANSWER_CACHE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A price as a version lists it, in picos per token.

    `cached_follows` says that the cached price is the input price less the version's
    discount, `follows` that all of it is the price of the model without its mark, less
    the discount for that mark.
    """

    model: str
    input_picos: int
    cached_input_picos: int
    output_picos: int
    cached_follows: bool = False
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Discounts:
    """A version's discounts in per cent; None where there is none."""

    cached_input: Decimal | None = None
    batch: Decimal | None = None
    answer_cache: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract says: prices or a percentage by model, and one for all others."""

    percent: Decimal
    quoted: Mapping[str, Listed]
    percents: Mapping[str, Decimal]


def resolved(listed: Iterable[Listed], discounts: Discounts) -> list[Listed]:
    """Return all prices of a version: those quoted, and those that follow from them.

    What follows in `listed` is made anew; a price quoted for a marked name stands.
    """
    quoted = [_cached(each, discounts) for each in listed if not each.follows]
    names = {each.model for each in quoted}
    following = [
        _less(each, model=each.model + mark, percent=percent)
        for each in quoted
        if not each.model.endswith(VARIANTS)
        for mark, percent in (
            (BATCH, discounts.batch),
            (ANSWER_CACHE, discounts.answer_cache),
        )
        if percent is not None and each.model + mark not in names
    ]
    return sorted(quoted + following, key=lambda each: each.model)


def under_contract(
    listed: Sequence[Listed], discounts: Discounts, terms: Terms
) -> list[Listed]:
    """Return what a tenant with these terms pays where others pay `listed`.

    Terms that name a model go before the percentage for all. What follows from a
    model's price follows from the tenant's own.
    """
    own = dict(terms.quoted)
    for each in listed:
        is_named = each.model in terms.percents
        if each.model in own or (each.follows and not is_named):
            continue
        percent = terms.percents.get(each.model, terms.percent)
        reduced = _less(each, model=each.model, percent=percent)
        own[each.model] = replace(reduced, follows=False)
    return resolved(own.values(), discounts)


def _cached(each: Listed, discounts: Discounts) -> Listed:
    if not each.cached_follows or discounts.cached_input is None:
        return each
    cached = picos_less(each.input_picos, discounts.cached_input)
    return replace(each, cached_input_picos=cached)


def _less(each: Listed, *, model: str, percent: Decimal) -> Listed:
    return Listed(
        model=model,
        input_picos=picos_less(each.input_picos, percent),
        cached_input_picos=picos_less(each.cached_input_picos, percent),
        output_picos=picos_less(each.output_picos, percent),
        follows=True,
    )
