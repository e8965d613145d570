"""What a body or a form says of a plan version, as the services take it.

Failure: an amount that its currency does not have is an `InvalidRequest`.
"""

from typing import Any

from kit.contracts import TokenClass
from metering.subscriptions.publishing import minor_from_text
from metering.subscriptions.services import ComponentWanted, DiscountWanted


def terms_wanted(wanted: dict[str, Any], currency: str) -> Any:
    """Return a body's fields as the services take them: amounts in minor units."""
    amounts = ("fee", "minimum_commitment")
    terms = {name: value for name, value in wanted.items() if name not in amounts}
    for name in amounts:
        if name in wanted:
            terms[f"{name}_minor"] = minor_from_text(wanted[name], currency, name)
    return terms


def component_wanted(wanted: dict[str, Any]) -> ComponentWanted:
    """Return one component of a draft."""
    return ComponentWanted(
        name=wanted["name"],
        meter=wanted["meter"],
        models=wanted["models"],
        token_classes=[TokenClass[each.upper()] for each in wanted["token_classes"]],
        document=wanted["component"],
    )


def discount_wanted(
    wanted: dict[str, Any], currency: str, field: str
) -> DiscountWanted:
    """Return one discount of a draft; `field` is what its amount is called."""
    amount = wanted["amount"]
    return DiscountWanted(
        name=wanted["name"],
        scope=wanted["scope"],
        models=wanted["models"],
        percent=wanted["percent"],
        amount_minor=None
        if amount is None
        else minor_from_text(amount, currency, field),
    )
