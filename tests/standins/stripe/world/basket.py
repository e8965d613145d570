"""What a checkout session sells, and how it can be paid."""

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid
from tests.standins.stripe.world import amounts
from tests.standins.stripe.world.objects import heed, made


def priced(account: Account, params: Json) -> Json:
    """Return what a session sells, as fields of it and its `lines`."""
    if not params.get("line_items"):
        raise invalid("Missing required param: line_items.", param="line_items")
    lines = [_line(account, line) for line in params["line_items"]]
    currencies = {line["currency"] for line in lines}
    if len(currencies) > 1:
        raise invalid("All line items must have one currency.", param="line_items")
    currency, total = currencies.pop(), sum(line["amount_total"] for line in lines)
    amounts.check_charge(total, currency)
    return {
        "amount_subtotal": total,
        "amount_total": total,
        "currency": currency,
        "lines": lines,
        "payment_method_types": types_of(params, currency),
        "payment_status": "unpaid",
        "submit_type": params.get("submit_type"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    }


def unpriced(params: Json) -> Json:
    """Return the same fields of a session that sells nothing."""
    currency = params.get("currency", "usd").lower()
    if not {"currency", "allowed_payment_method_types"} & params.keys():
        raise invalid("Missing required param: currency.", param="currency")
    return {
        "currency": currency,
        "lines": [],
        "payment_method_types": types_of(params, currency),
        "payment_status": "no_payment_required",
    }


def _line(account: Account, given: Json) -> Json:
    heed(given, "price_data quantity metadata")
    data = given.get("price_data", {})
    heed(data, "currency product_data unit_amount tax_behavior")
    product, quantity = data.get("product_data"), given.get("quantity", 1)
    if product is None or "unit_amount" not in data:
        raise invalid(
            "This stand-in sells `price_data` with `product_data` and `unit_amount`.",
            param="line_items",
        )
    amount = data["unit_amount"] * quantity
    price = made(
        account,
        "price",
        currency=data["currency"].lower(),
        product=account.new_id("prod"),
        unit_amount=data["unit_amount"],
        unit_amount_decimal=str(data["unit_amount"]),
    )
    return made(
        account,
        "item",
        amount_subtotal=amount,
        amount_total=amount,
        currency=price["currency"],
        description=product["name"],
        metadata=merged({}, given.get("metadata")),
        price=price,
        quantity=quantity,
    )


def types_of(params: Json, currency: str) -> list[str]:
    """Return how a session can be paid: what is allowed, and fits its currency."""
    allowed = params.get("allowed_payment_method_types")
    possible = ["card", "sepa_debit"] if currency == "eur" else ["card"]
    kinds = [kind for kind in possible if allowed is None or kind in allowed]
    if not kinds:
        raise invalid("No payment method fits.", param="allowed_payment_method_types")
    return kinds
