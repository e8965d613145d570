"""Exports in the columns of FOCUS 1.2, the FinOps specification of cost and use. Pure.

What the specification allows to leave out because it is not offered is left out:
regions, zones, reserved capacity, commitments bought ahead. A cost is exact. A charge
is listed once: of usage what it rates to, of invoices what is charged, of the ledger
what its entries put on the accounts of earnings and taxes.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings

from kit.contracts import TokenClass
from kit.money import decimal_from_minor, decimal_from_picos
from kit.spreadsheet import said
from metering.exports.models import Subject
from metering.exports.plain import Row, instant

COLUMNS: Final = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType"),
    *("BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory"),
    *("ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost"),
    *("ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName"),
    *("ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity"),
    *("PricingUnit", "ProviderName", "PublisherName", "ResourceId", "ResourceName"),
    *("ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory"),
    *("SkuId", "SkuMeter", "SkuPriceId", "SubAccountId", "SubAccountName"),
    *("SubAccountType", "Tags"),
)
_SERVICE: Final = {
    "ServiceCategory": "AI and Machine Learning",
    "ServiceSubcategory": "Generative AI",
    "ServiceName": "Inference",
}
_CHARGED: Final = {
    TokenClass.INPUT: "Input tokens",
    TokenClass.CACHED_INPUT: "Cached input tokens",
    TokenClass.OUTPUT: "Output tokens",
}
_UNIT = "Tokens"
# Of an invoice line's kind: the category, how often it is charged.
_OF_LINES: Final[Mapping[str, tuple[str, str]]] = {
    "usage": ("Usage", "Usage-Based"),
    "adjustment": ("Usage", "Usage-Based"),
    "component": ("Usage", "Usage-Based"),
    "fee": ("Purchase", "Recurring"),
    "commitment": ("Purchase", "Recurring"),
    "top_up": ("Purchase", "One-Time"),
    "discount": ("Credit", "Usage-Based"),
    "credit": ("Credit", "Usage-Based"),
    "tax": ("Tax", "Usage-Based"),
}
# Of an account's kind: the category of what it earns. Others hold what is not a charge.
_OF_ACCOUNTS: Final[Mapping[str, str]] = {
    "revenue": "Usage",
    "discounts": "Credit",
    "tax": "Tax",
    "breakage": "Adjustment",
    "rounding": "Adjustment",
}
# Of a transaction's kind, where what it earns is no use.
_OF_TRANSACTIONS: Final = {"fee": "Purchase", "credit_note": "Credit"}


def focus(subject: Subject, row: Row) -> Mapping[str, object] | None:
    """Return a row of the specification's columns; None for what is no charge."""
    if subject is Subject.USAGE:
        return _usage(row)
    return _invoice(row) if subject is Subject.INVOICES else _entry(row)


def _account(row: Row) -> dict[str, Any]:
    seller = said(settings.SELLER_NAME)
    return {
        "BillingAccountId": row["tenant_id"],
        "BillingAccountName": said(row["tenant_name"]),
        "BillingAccountType": "Tenant",
        "BillingCurrency": row["currency"],
        "InvoiceIssuerName": seller,
        "ProviderName": seller,
        "PublisherName": seller,
        **_SERVICE,
    }


def _costs(cost: str) -> dict[str, str]:
    names = ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")
    return dict.fromkeys(names, cost)


def _quantity(row: Row) -> dict[str, Any]:
    if row["unit_picos"] is None or row["quantity"] is None:
        return {}
    price = decimal_from_picos(row["unit_picos"])
    token_class = TokenClass(row["token_class"])
    sku = f"{row['model']}/{token_class.name.lower()}"
    return {
        "ConsumedQuantity": row["quantity"],
        "ConsumedUnit": _UNIT,
        "PricingQuantity": row["quantity"],
        "PricingUnit": _UNIT,
        "PricingCategory": "Standard",
        "ContractedUnitPrice": price,
        "ListUnitPrice": price,
        "SkuId": said(sku),
        "SkuMeter": _CHARGED[token_class],
        "SkuPriceId": f"{row['price_id']}/{token_class.name.lower()}",
    }


def _usage(row: Row) -> dict[str, Any] | None:
    if row["token_class"] not in _CHARGED:
        # Counts of requests and of reasoning cost nothing by themselves.
        return None
    return {
        **_account(row),
        **_costs(decimal_from_picos(int(row["charge_picos"]))),
        **_quantity(row),
        "BillingPeriodStart": instant(row["period_starts_at"]),
        "BillingPeriodEnd": instant(row["period_ends_at"]),
        "ChargePeriodStart": instant(row["starts_at"]),
        "ChargePeriodEnd": instant(row["ends_at"]),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargeDescription": said(
            f"{row['model']}, {_CHARGED[row['token_class']].lower()}"
        ),
        "ResourceId": said(row["model"]),
        "ResourceName": said(row["model"]),
        "ResourceType": "Served model",
        "SubAccountId": row["project_id"],
        "SubAccountName": said(row["project"]),
        "SubAccountType": "Project",
        "Tags": json.dumps(
            {"key": row["api_key"], "key_id": str(row["api_key_id"])}, sort_keys=True
        ),
    }


def _invoice(row: Row) -> dict[str, Any]:
    category, frequency = _OF_LINES.get(row["kind"], ("Adjustment", "One-Time"))
    cost = decimal_from_minor(row["amount_minor"], row["currency"])
    starts_at = row["period_starts_at"] or row["issued_at"]
    ends_at = row["period_ends_at"] or row["issued_at"]
    return {
        **_account(row),
        **_costs(cost),
        **(_quantity(row) if category == "Usage" and row["model"] else {}),
        "BillingPeriodStart": instant(starts_at),
        "BillingPeriodEnd": instant(ends_at),
        "ChargePeriodStart": instant(starts_at),
        "ChargePeriodEnd": instant(ends_at),
        "ChargeCategory": category,
        "ChargeClass": "Correction" if row["kind"] == "adjustment" else "",
        "ChargeFrequency": frequency,
        "ChargeDescription": said(row["description"]),
        "InvoiceId": said(row["number"]),
        "ResourceId": said(row["model"]),
        "ResourceName": said(row["model"]),
        "ResourceType": "Served model" if row["model"] else "",
    }


def _entry(row: Row) -> dict[str, Any] | None:
    category = _OF_ACCOUNTS.get(row["account"])
    if category is None:
        return None
    category = _OF_TRANSACTIONS.get(row["kind"], category)
    occurred_at = instant(row["occurred_at"])
    return {
        **_account(row),
        # What earns is credited, and what is credited is negative.
        **_costs(decimal_from_picos(-int(row["amount_picos"]))),
        "BillingPeriodStart": occurred_at,
        "BillingPeriodEnd": occurred_at,
        "ChargePeriodStart": occurred_at,
        "ChargePeriodEnd": occurred_at,
        "ChargeCategory": category,
        "ChargeFrequency": "One-Time" if category == "Purchase" else "Usage-Based",
        "ChargeDescription": said(f"{row['kind']} {row['source']}"),
        "Tags": json.dumps(
            {
                "account": row["account"],
                "entry": str(row["entry_id"]),
                "transaction": str(row["transaction_id"]),
            },
            sort_keys=True,
        ),
    }
