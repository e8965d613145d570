"""Tax calculations, and the transactions that record them: tax without an invoice."""

from decimal import Decimal
from typing import Any

from stripe.params import tax as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, missing, refused
from tests.standins.stripe.expanding import hidden
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import methods, taxing
from tests.standins.stripe.world.objects import found, heed, made, new
from tests.standins.stripe.world.tax_rates import Tax
from tests.standins.stripe.world.taxing import Payer

KIND = "tax.calculation"
TRANSACTION = "tax.transaction"
# A calculation can be recorded for so long.
LIFE_S = 90 * 86_400
_LINE = "amount metadata quantity reference tax_behavior tax_code"


def create(account: Account, params: Json) -> Json:
    """Compute the tax on what is to be sold to somebody."""
    heed(params, "currency customer customer_details line_items tax_date")
    payer, details = _buyer(account, params)
    taxes = payer.taxes(account.country)
    lines = [
        _line(account, given, taxes, i) for i, given in enumerate(params["line_items"])
    ]
    references = {line["reference"] for line in lines}
    if not lines or len(references) < len(lines):
        raise invalid("Each line item must have a reference of its own.")
    sums = {
        kind: sum(row["amount_tax"] for row in lines if row["tax_behavior"] == kind)
        for kind in ("exclusive", "inclusive")
    }
    calculation = new(
        account,
        KIND,
        amount_total=sum(row["amount"] for row in lines) + sums["exclusive"],
        currency=params["currency"].lower(),
        customer=params.get("customer"),
        customer_details=details,
        expires_at=account.now() + LIFE_S,
        tax_amount_exclusive=sums["exclusive"],
        tax_amount_inclusive=sums["inclusive"],
        tax_breakdown=_summed(row for line in lines for row in _parts(line, taxes)),
        tax_date=params.get("tax_date", account.now()),
    )
    account.lines[calculation["id"]] = lines
    return calculation


def retrieve(account: Account, reference: str) -> Json:
    """Return a calculation, while it can still be used."""
    calculation = found(account, KIND, reference)
    if calculation["expires_at"] <= account.now():
        raise refused("This calculation has expired.", code="resource_missing")
    return calculation


def line_items(account: Account, reference: str, params: Json) -> Json:
    """Return a page of a calculation's lines."""
    retrieve(account, reference)
    url = f"/v1/tax/calculations/{reference}/line_items"
    return page(account.lines[reference], params, url=url)


def record(account: Account, params: Json) -> Json:
    """Record a calculation as a sale that took place, once for its reference."""
    heed(params, "calculation metadata posted_at reference")
    calculation = retrieve(account, params["calculation"])
    _check_reference(account, params["reference"])
    names = ("currency", "customer", "customer_details", "ship_from_details")
    now = account.now()
    transaction = new(
        account,
        TRANSACTION,
        **{name: calculation[name] for name in names},
        metadata=merged({}, params.get("metadata")),
        posted_at=params.get("posted_at", now),
        reference=params["reference"],
        tax_date=calculation["tax_date"],
    )
    lines = account.lines[calculation["id"]]
    account.lines[transaction["id"]] = [_sold(account, line) for line in lines]
    return transaction


def reverse(account: Account, params: Json) -> Json:
    """Record that a sale was undone, all of it or parts of its lines."""
    heed(params, "mode original_transaction reference metadata line_items")
    if params["mode"] not in ("full", "partial"):
        raise invalid("The mode is one of `full` and `partial`.", param="mode")
    reference = params["original_transaction"]
    sale = found(account, TRANSACTION, reference, param="original_transaction")
    _check_reference(account, params["reference"])
    if sale["type"] == "reversal":
        raise refused("This transaction is a reversal.", param="original_transaction")
    undone = _undone(account, sale)
    if params["mode"] == "full":
        if "line_items" in params:
            raise invalid("A full reversal takes no lines.", param="line_items")
        if undone:
            raise refused("This transaction was reversed already.")
        lines = [_sold(account, line, sign=-1) for line in account.lines[reference]]
    else:
        lines = _parts_undone(account, sale, undone, params.get("line_items", []))
    now = account.now()
    copied = ("currency", "customer", "customer_details", "tax_date")
    back = new(
        account,
        TRANSACTION,
        **{name: sale[name] for name in copied},
        metadata=merged({}, params.get("metadata")),
        posted_at=now,
        reference=params["reference"],
        reversal={"original_transaction": reference},
        type="reversal",
    )
    account.lines[back["id"]] = lines
    return back


def _undone(account: Account, sale: Json) -> list[Json]:
    """Return the lines of all reversals of a sale so far."""
    return [
        line
        for row in account.rows[TRANSACTION].values()
        if (row["reversal"] or {}).get("original_transaction") == sale["id"]
        for line in account.lines[row["id"]]
    ]


def _parts_undone(
    account: Account, sale: Json, undone: list[Json], parts: list[Json]
) -> list[Json]:
    """Return the lines of a partial reversal; none takes more than is left."""
    originals = {line["id"]: line for line in account.lines[sale["id"]]}
    if not parts:
        raise invalid("Give `line_items` to reverse.", param="line_items")
    lines = []
    for part in parts:
        heed(part, "amount amount_tax metadata original_line_item quantity reference")
        line = originals.get(part["original_line_item"])
        if line is None:
            raise missing("tax.transaction_line_item", part["original_line_item"])
        for name in ("amount", "amount_tax"):
            taken = sum(
                each[name]
                for each in undone
                if each["reversal"]["original_line_item"] == line["id"]
            )
            if part[name] > 0 or line[name] + taken + part[name] < 0:
                raise refused(
                    f"You cannot reverse {part[name]} of what is left of this line.",
                    param=f"line_items[{name}]",
                )
        amounts = {name: part[name] for name in ("amount", "amount_tax", "reference")}
        row = _sold(account, line, sign=-1)
        row.update(amounts, metadata=merged({}, part.get("metadata")))
        lines.append(row)
    return lines


def transaction(account: Account, reference: str) -> Json:
    """Return a transaction."""
    return found(account, TRANSACTION, reference)


def transaction_lines(account: Account, reference: str, params: Json) -> Json:
    """Return a page of a transaction's lines."""
    transaction(account, reference)
    url = f"/v1/tax/transactions/{reference}/line_items"
    return page(account.lines[reference], params, url=url)


@hidden(KIND, "line_items")
def _lines(account: Account, calculation: Json) -> Json:
    return line_items(account, calculation["id"], {})


@hidden(TRANSACTION, "line_items")
def _sold_lines(account: Account, row: Json) -> Json:
    return transaction_lines(account, row["id"], {})


def _buyer(account: Account, params: Json) -> tuple[Payer, Json]:
    """Return what decides the taxes, of a customer or of what is said of one."""
    given = params.get("customer_details")
    if (given is None) == ("customer" not in params):
        raise invalid("Give one of `customer` and `customer_details`.")
    if given is None:
        customer = account.customer(params["customer"], param="customer")
        payer = taxing.payer_of(account, customer)
        ids = [{"type": "eu_vat", "value": value} for value in payer.vat_ids]
    else:
        heed(given, "address address_source tax_ids taxability_override")
        ids = given.get("tax_ids", [])
        override = {"customer_exempt": "exempt", "reverse_charge": "reverse"}
        exempt = override.get(given.get("taxability_override", ""), "none")
        vat_ids = tuple(row["value"] for row in ids if row["type"] == "eu_vat")
        payer = Payer(methods.address(given.get("address")), exempt, vat_ids)
    overrides = {"exempt": "customer_exempt", "reverse": "reverse_charge"}
    return payer, {
        "address": payer.address,
        "address_source": (given or {}).get("address_source", "billing"),
        "ip_address": None,
        "tax_ids": ids,
        "taxability_override": overrides.get(payer.exempt, "none"),
    }


def _line(account: Account, given: Json, taxes: tuple[Tax, ...], number: int) -> Json:
    heed(given, _LINE)
    behavior = given.get("tax_behavior", "exclusive")
    line = made(
        account,
        "tax.calculation_line_item",
        amount=given["amount"],
        metadata=merged({}, given.get("metadata")),
        quantity=given.get("quantity", 1),
        reference=given.get("reference", f"L{number + 1}"),
        tax_behavior=behavior,
        tax_code=given.get("tax_code", "txcd_10000000"),
    )
    line["amount_tax"] = sum(row["amount"] for row in _parts(line, taxes))
    return line


def _parts(line: Json, taxes: tuple[Tax, ...]) -> list[Json]:
    """Return the taxes on a line; an inclusive amount has them in it already."""
    inclusive = line["tax_behavior"] == "inclusive"
    whole = 100 + sum((tax.percentage for tax in taxes), Decimal(0))
    base = round(line["amount"] * 100 / whole) if inclusive else line["amount"]
    return [
        {
            "amount": taxing.amount_of(tax, base),
            "inclusive": inclusive,
            "tax_rate_details": {
                "country": tax.country,
                "flat_amount": None,
                "percentage_decimal": str(tax.percentage),
                "rate_type": "percentage",
                "state": tax.state,
                "tax_type": tax.kind,
            },
            "taxability_reason": tax.reason,
            "taxable_amount": base if tax.percentage else 0,
        }
        for tax in taxes
    ]


def _summed(parts: Any) -> list[Json]:
    sums: dict[str, Json] = {}
    for part in parts:
        details, reason = part["tax_rate_details"], part["taxability_reason"]
        mark = f"{details}{reason}{part['inclusive']}"
        if mark not in sums:
            sums[mark] = {**part, "amount": 0, "taxable_amount": 0}
        for name in ("amount", "taxable_amount"):
            sums[mark][name] += part[name]
    return list(sums.values())


def _sold(account: Account, line: Json, *, sign: int = 1) -> Json:
    names = ("metadata", "quantity", "reference", "tax_behavior", "tax_code")
    back = {"reversal": {"original_line_item": line["id"]}, "type": "reversal"}
    return made(
        account,
        "tax.transaction_line_item",
        **{name: line[name] for name in names},
        amount=sign * line["amount"],
        amount_tax=sign * line["amount_tax"],
        **(back if sign < 0 else {}),
    )


def _check_reference(account: Account, reference: str) -> None:
    if any(row["reference"] == reference for row in account.rows[TRANSACTION].values()):
        raise refused(
            f"A transaction with the reference '{reference}' exists already.",
            param="reference",
        )


_PATH = "/v1/tax/transactions"
ROUTES = (
    Route(
        "POST", "/v1/tax/calculations", sdk.CalculationCreateParams, on_account(create)
    ),
    Route(
        "GET",
        "/v1/tax/calculations/{id}",
        sdk.CalculationRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route(
        "GET",
        "/v1/tax/calculations/{id}/line_items",
        sdk.CalculationLineItemListParams,
        on_object(line_items),
    ),
    Route(
        "POST",
        f"{_PATH}/create_from_calculation",
        sdk.TransactionCreateFromCalculationParams,
        on_account(record),
    ),
    Route(
        "POST",
        f"{_PATH}/create_reversal",
        sdk.TransactionCreateReversalParams,
        on_account(reverse),
    ),
    Route(
        "GET",
        f"{_PATH}/{{id}}",
        sdk.TransactionRetrieveParams,
        on_object_alone(transaction),
    ),
    Route(
        "GET",
        f"{_PATH}/{{id}}/line_items",
        sdk.TransactionLineItemListParams,
        on_object(transaction_lines),
    ),
)
