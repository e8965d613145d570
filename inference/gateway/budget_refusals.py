"""What a client is told when a budget does not cover its request.

Only its own account, project or key is named, and which budget it is: how much of it is
left is not, for a key may be lent to somebody who is not to know. Pure.
"""

from kit.contracts import BudgetPlace, BudgetShortError
from kit.errors import InsufficientQuota, PlatformError, RateLimited

RETRY_MS = 1000
_WHOSE = {"tenant": "your account", "project": "this project", "api_key": "this key"}
_EACH = {"day": "daily ", "month": "monthly "}
_ANEW = {"day": " or wait for the next day", "month": " or wait for the next month"}
_FINAL = {"x-should-retry": "false"}


def refusal(short: BudgetShortError) -> PlatformError:
    """Return the answer to a request that was not held: spent for good, or for now."""
    if short.is_spent:
        return spent(short.place)
    return come_again(
        f"What is left of the {named(short.place)} is held by requests that still run.",
        refused_by=_limit(short.place),
    )


def spent(place: BudgetPlace) -> InsufficientQuota:
    """Return the answer where not even one more token fits."""
    if place.kind == "credit":
        remedy = "Top it up to go on."
    else:
        remedy = f"Have it raised{_ANEW.get(place.window, '')}."
    return InsufficientQuota(
        f"The {named(place)} does not cover this request any more. {remedy}",
        headers=_FINAL,
        refused_by=_limit(place),
    )


def come_again(reason: str, *, refused_by: str = "") -> RateLimited:
    """Return the answer to a request that may fit a moment later."""
    return RateLimited(
        f"{reason} Try again in a second.",
        headers={
            "retry-after": str(RETRY_MS // 1000),
            "retry-after-ms": str(RETRY_MS),
            "x-should-retry": "true",
        },
        refused_by=refused_by,
    )


def ended() -> InsufficientQuota:
    """Return the last event of an answer that a budget ended."""
    return InsufficientQuota(
        "A budget of this key, its project or your account is spent: the answer ends"
        " here. Have it raised to go on.",
        headers=_FINAL,
    )


def _limit(place: BudgetPlace) -> str:
    """Name the kind of limit it is: whose, of what, and per what."""
    unit = place.unit if place.kind == "quota" else place.kind
    return f"{place.level}:{unit}:{place.window}"


def named(place: BudgetPlace) -> str:
    """Return which it is, such as `daily quota of input tokens of this key`."""
    whose = _WHOSE[place.level]
    if place.kind == "credit":
        return f"credit of {whose}"
    what = "budget"
    if place.kind == "quota":
        what = f"quota of {place.unit.replace('_', ' ')}"
    of_model = f" for the model '{place.model}'" if place.model else ""
    return f"{_EACH.get(place.window, '')}{what} of {whose}{of_model}"
