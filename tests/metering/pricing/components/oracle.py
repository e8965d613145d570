"""The slow way to a charge: walk through the period tenth by tenth, and count.

It reads the stated document itself, knows no fractions and no formula: each tenth of a
unit looks for its tier, each package is bought when the one before is used up. All
quantities are whole tenths here. Sums are decimals under a context that would rather
fail than round.
"""

from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from typing import Any

TENTH = Decimal("0.1")
_STRICT = Context(prec=200, traps=[Inexact, InvalidOperation])


def charge_of(
    document: dict[str, Any], quantity: str, events: int = 0
) -> tuple[Decimal, Decimal]:
    """Return the charge as a numerator and what it is to be divided by."""
    with localcontext(_STRICT):
        divisor = Decimal(document.get("unit_size", "1")) * 100
        charge = divisor * _whole(document, quantity, events)
        charge += 100 * _by_tenths(document, quantity)
        least = divisor * Decimal(document.get("minimum", "0"))
        most = divisor * Decimal(document.get("maximum", "1e60"))
        charge = max(charge, least)
        charge = min(charge, most)
        return charge, divisor


def minor_of(charge: Decimal, divisor: Decimal, places: int) -> int:
    """Return how many minor units that is: one more if half of one is left over."""
    with localcontext(_STRICT):
        units, rest = divmod(charge * 10**places, divisor)
        return int(units) + (1 if rest + rest >= divisor else 0)


def _tenths(document: dict[str, Any], quantity: str) -> list[Decimal]:
    """Return where each tenth ends that is not included, counted from there."""
    ends = []
    place = Decimal(0)
    while place < Decimal(quantity):
        place += TENTH
        if place > Decimal(document.get("included", "0")):
            ends.append(place - Decimal(document.get("included", "0")))
    return ends


def _tier_at(document: dict[str, Any], end: Decimal) -> dict[str, Any]:
    for tier in document["tiers"]:
        if tier["up_to"] is None or end <= Decimal(tier["up_to"]):
            found: dict[str, Any] = tier
            return found
    raise AssertionError("the last tier has an end")


def _by_tenths(document: dict[str, Any], quantity: str) -> Decimal:
    """Return what the units cost, still times the unit's size."""
    ends = _tenths(document, quantity)
    match document["model"]:
        case "per_unit":
            return sum(
                (TENTH * Decimal(document["unit_price"]) for _ in ends), Decimal()
            )
        case "graduated":
            prices = [_tier_at(document, end).get("unit_price", "0") for end in ends]
        case "volume":
            prices = [_tier_at(document, ends[-1]).get("unit_price", "0") for _ in ends]
        case _:
            prices = []
    return sum((TENTH * Decimal(price) for price in prices), Decimal())


def _whole(document: dict[str, Any], quantity: str, events: int) -> Decimal:
    """Return fees, packages and shares: what does not depend on the unit's size."""
    ends = _tenths(document, quantity)
    match document["model"]:
        case "package":
            bought = packages = Decimal(0)
            for end in ends:
                while bought < end:
                    bought += Decimal(document["package_size"])
                    packages += 1
            return packages * Decimal(document["package_price"])
        case "percentage":
            share = len(ends) * TENTH * Decimal(document["rate_percent"]) / 100
            free = int(document.get("included_events", "0"))
            fees = [document.get("fee_per_event", "0") for _ in range(free, events)]
            return share + sum((Decimal(fee) for fee in fees), Decimal())
        case "flat":
            tiers = [document]
        case "graduated" | "volume":
            tiers = [_tier_at(document, end) for end in ends]
            tiers = tiers[-1:] if document["model"] == "volume" else tiers
        case _:
            return Decimal()
    if not ends:
        zero = document.get("charge_zero_usage", False)
        tiers = document.get("tiers", tiers)[:1] if zero else []
    entered = {id(tier): Decimal(tier.get("flat_fee", "0")) for tier in tiers}
    return sum(entered.values(), Decimal())
