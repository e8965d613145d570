"""Components as documents, small enough to be walked through tenth by tenth."""

from typing import Any

from hypothesis import strategies as st

TENTHS_MAX = 300


def counts(least: int) -> st.SearchStrategy[int]:
    """Count tenths; every other time they make whole units."""
    whole = st.integers(1 if least else 0, TENTHS_MAX // 10).map(
        lambda units: units * 10
    )
    return st.one_of(st.integers(least, TENTHS_MAX), whole)


def tenths(least: int = 0) -> st.SearchStrategy[str]:
    return counts(least).map(lambda count: f"{count // 10}.{count % 10}")


# Prices with ties at half a cent among them, and some of many places.
prices = st.one_of(
    st.integers(0, 4000).map(lambda count: f"{count / 200:.3f}"),
    st.integers(0, 10**15).map(lambda count: f"0.{count:015}"),
)
sizes = st.sampled_from(["1", "2", "3", "7", "0.1", "1000", "1000000"])


@st.composite
def tier_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    ends = draw(st.lists(counts(1), max_size=4, unique=True))
    tiers: list[dict[str, Any]] = []
    for end in [*sorted(ends), None]:
        tier: dict[str, Any] = {
            "up_to": None if end is None else f"{end // 10}.{end % 10}",
            "unit_price": draw(prices),
        }
        if draw(st.booleans()):
            tier["flat_fee"] = draw(prices)
        tiers.append(tier)
    return tiers


_Fields = dict[str, st.SearchStrategy[Any]]
_tiered: _Fields = {"tiers": tier_lists()}
_sized: _Fields = {"unit_size": sizes}
# What each model must have, and what it may have.
_models: dict[str, tuple[_Fields, _Fields]] = {
    "per_unit": ({"unit_price": prices}, _sized),
    "graduated": (_tiered, _sized),
    "volume": (_tiered, _sized),
    "package": ({"package_size": tenths(1), "package_price": prices}, {}),
    "percentage": (
        {"rate_percent": prices},
        {"fee_per_event": prices, "included_events": st.integers(0, 20).map(str)},
    ),
    "flat": ({"flat_fee": prices}, {}),
}
_around: _Fields = {
    "included": tenths(),
    "minimum": prices,
    "charge_zero_usage": st.booleans(),
}
MODELS = tuple(_models)


@st.composite
def documents(draw: st.DrawFn, models: tuple[str, ...] = MODELS) -> dict[str, Any]:
    model = draw(st.sampled_from(models))
    required, optional = _models[model]
    document: dict[str, Any] = {"model": model}
    document |= draw(st.fixed_dictionaries(required, optional=optional | _around))
    if draw(st.booleans()):
        # Twenty is the dearest that a price, and so a minimum, gets.
        least = 20 if "minimum" in document else 0
        document["maximum"] = str(least + draw(st.integers(0, 200)))
    return document
