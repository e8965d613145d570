"""What Stripe lets one charge be, by currency, in minor units."""

from tests.standins.stripe.errors import refused

CHARGE_MAX = 99_999_999
# Payments of these are in tens of their minor unit.
_IN_TENS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_LEAST = {
    "aed": 200,
    "aud": 50,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "usd": 50,
}


def least_charge(currency: str) -> int:
    """Return the least amount that can be charged; one unit where none is known."""
    return _LEAST.get(currency, 1)


def check_charge(amount: int, currency: str) -> None:
    """Refuse an amount that no charge can have."""
    least = least_charge(currency)
    if amount < least:
        raise refused(
            f"Amount must be at least {least} minor units of {currency}.",
            code="amount_too_small",
            param="amount",
        )
    if amount > CHARGE_MAX:
        raise refused(
            f"Amount must be no more than {CHARGE_MAX} minor units of {currency}.",
            code="amount_too_large",
            param="amount",
        )
    if currency in _IN_TENS and amount % 10:
        raise refused(
            f"Amounts in {currency} must be rounded to the nearest ten.",
            param="amount",
        )
