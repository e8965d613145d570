"""Turn an invoice of ours into what Stripe is asked for: pure, the same at every try.

Every line goes out as one integer amount, so Stripe has nothing to multiply or round;
quantity and price are words in its description. Lines beyond what Stripe takes are
folded: the smallest of use become one line, and the detail stays on our invoice.
"""

import copy
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kit.money import format_minor
from metering.billing.models import BillingProfile, Invoice, InvoiceLine
from metering.billing.taxing import is_automatic, untaxed_sha256
from tenants.models import Tenant

# Stripe takes 250 items on an invoice; this keeps clear of the edge.
LINES_MAX = 240
LINES_PER_CALL = 100
# These have no minor unit any more, but Stripe still counts them in hundredths.
_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
# Of these it takes whole hundredths alone, though they have thousandths.
_IN_TENS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_CHARGE_MAX = {"IDR": 999_999_999_999}
_CHARGE_MAX_ELSE = 99_999_999
OTHER = "other"
_OF_USE = frozenset({InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT})
_DESCRIPTION_CHARS_MAX = 500
_MICROSECOND = dt.timedelta(microseconds=1)
_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# Where tax is not known without it.
_POSTAL_CODES = {
    "US": re.compile(r"\b\d{5}(?:-\d{4})?\b"),
    "CA": re.compile(r"\b[A-Z]\d[A-Z] ?\d[A-Z]\d\b"),
}
_NO_CODE = re.compile(r"(?!)")

TENANT_MARK = "tollgate_tenant"
INVOICE_MARK = "tollgate_invoice"
SHA_MARK = "tollgate_lines_sha256"
PERIOD_MARK = "tollgate_period"
LINE_MARK = "tollgate_line"
REFUND_MARK = "tollgate_refund"


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line to be pinned to a draft; `mark` names it on our invoice.

    Its amount is in the unit that Stripe counts the currency in.
    """

    mark: str
    amount_minor: int
    description: str

    def params(self) -> dict[str, object]:
        """Return the line as Stripe takes it."""
        return {
            "amount": self.amount_minor,
            "description": self.description[:_DESCRIPTION_CHARS_MAX],
            "discountable": False,
            "metadata": {LINE_MARK: self.mark},
        }


def in_stripes_unit(amount_minor: int, currency: str) -> int:
    """Return an amount as Stripe counts it: nearly always in the minor unit."""
    return amount_minor * 100 if currency in _IN_HUNDREDTHS else amount_minor


def in_our_unit(amount: int, currency: str) -> int:
    """Return an amount of Stripe's in the currency's minor unit.

    Raises `ValueError` for a part of that unit.
    """
    if currency.upper() not in _IN_HUNDREDTHS:
        return amount
    whole, part = divmod(amount, 100)
    if part:
        raise ValueError(f"{amount} of Stripe's is no whole {currency.upper()}")
    return whole


def in_our_whole_units(amount: int, currency: str) -> int:
    """Return how much of an amount of Stripe's is whole minor units of ours."""
    part = amount % 100 if currency.upper() in _IN_HUNDREDTHS else 0
    return in_our_unit(amount - part, currency)


def untakable(invoice: Invoice) -> str:
    """Return why Stripe could never be paid an invoice's total, or nothing."""
    currency = invoice.currency
    total = in_stripes_unit(invoice.amount_minor, currency)
    if total > _CHARGE_MAX.get(currency, _CHARGE_MAX_ELSE):
        return (
            f"{format_minor(invoice.amount_minor, currency)} is more than Stripe takes"
            " at once: a person has to ask for it elsewhere."
        )
    if currency in _IN_TENS and total % 10:
        return (
            f"Stripe takes no thousandths of {currency}, and this is"
            f" {format_minor(invoice.amount_minor, currency)}: a person has to ask for"
            " it elsewhere."
        )
    return ""


def tenant_mark(tenant: Tenant) -> str:
    """Return what names the tenant in a Stripe account that others use too.

    A row number alone would be taken again by the next empty database that uses the
    account.
    """
    return f"{tenant.pk}-{(tenant.created_at - _UNIX_EPOCH) // _MICROSECOND}"


def customer_params(
    tenant: Tenant, profile: BillingProfile | None = None
) -> dict[str, object]:
    """Return the tenant as a customer."""
    marks = {TENANT_MARK: tenant_mark(tenant), "tollgate_slug": tenant.slug}
    params: dict[str, object] = {"name": tenant.name, "metadata": marks}
    if tenant.billing_email:
        params["email"] = tenant.billing_email
    if profile is not None:
        params["name"] = profile.legal_name or tenant.name
        if profile.country:
            params["address"] = _address(profile)
    return params


def _address(profile: BillingProfile) -> dict[str, str]:
    """Return where a tenant is; the postal code is looked for in the address."""
    first, *others = [*filter(None, profile.address.splitlines()), ""]
    found = _POSTAL_CODES.get(profile.country, _NO_CODE).findall(profile.address)
    address = {
        "line1": first,
        "line2": ", ".join(filter(None, others)),
        "country": profile.country,
        "state": profile.region,
        "postal_code": found[-1] if found else "",
    }
    return {name: value for name, value in address.items() if value}


def draft_params(
    invoice: Invoice,
    *,
    customer: str,
    days_until_due: int,
    is_charged: bool = False,
) -> dict[str, object]:
    """Return the invoice as a draft that stays one until we finalise it.

    `is_charged` has Stripe charge the customer's default payment method for it, rather
    than send it.
    """
    marks = {
        INVOICE_MARK: str(invoice.public_id),
        SHA_MARK: untaxed_sha256(invoice),
    }
    # What tops up credit is of no period.
    if invoice.period is not None:
        period = invoice.period
        marks[PERIOD_MARK] = f"{period.first_date}/{period.end_date}"
    collected: dict[str, object] = (
        {"collection_method": "charge_automatically"}
        if is_charged
        else {"collection_method": "send_invoice", "days_until_due": days_until_due}
    )
    return {
        "customer": customer,
        "currency": invoice.currency.lower(),
        "auto_advance": False,
        **collected,
        "automatic_tax": {"enabled": is_automatic(invoice)},
        "pending_invoice_items_behavior": "exclude",
        "metadata": marks,
    }


def draft_lines(
    invoice: Invoice, lines: Sequence[InvoiceLine]
) -> tuple[DraftLine, ...]:
    """Return the lines for Stripe, at most `LINES_MAX`, in the invoice's order."""
    if is_automatic(invoice):
        lines = net_lines(lines)
    if len(lines) <= LINES_MAX:
        return tuple(_line(invoice, line) for line in lines)
    # Use alone is folded: fees, discounts, credit and tax stay to be seen.
    by_size = sorted(
        lines,
        key=lambda line: (
            line.kind in _OF_USE,
            -abs(line.amount_minor),
            line.position,
        ),
    )
    kept = sorted(by_size[: LINES_MAX - 1], key=lambda line: line.position)
    folded = by_size[LINES_MAX - 1 :]
    other = DraftLine(
        mark=OTHER,
        amount_minor=in_stripes_unit(
            sum(line.amount_minor for line in folded), invoice.currency
        ),
        description=f"{len(folded)} further lines, listed on the detailed invoice",
    )
    return (*(_line(invoice, line) for line in kept), other)


def net_lines(lines: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    """Return the lines that Stripe computes tax on: none is below zero.

    What discounts and credit take off is taken off the others, each by its share: the
    parts that are left over go to the largest remainders. Tax itself is Stripe's.
    """
    charged = [line for line in lines if line.kind != InvoiceLine.Kind.TAX]
    taken = -sum(line.amount_minor for line in charged if line.amount_minor < 0)
    kept = [copy.copy(line) for line in charged if line.amount_minor >= 0]
    whole = sum(line.amount_minor for line in kept)
    if not taken or not whole:
        return kept
    shares = [divmod(taken * line.amount_minor, whole) for line in kept]
    left = taken - sum(share for share, _ in shares)
    by_remainder = sorted(range(len(kept)), key=lambda i: (-shares[i][1], i))
    for i, line in enumerate(kept):
        share = shares[i][0] + (i in by_remainder[:left])
        if share:
            line.amount_minor -= share
            line.description = f"{line.description}, after discounts and credit"
    return kept


def batches(lines: Sequence[DraftLine]) -> list[tuple[DraftLine, ...]]:
    """Return the lines in portions that one call takes."""
    starts = range(0, len(lines), LINES_PER_CALL)
    return [tuple(lines[start : start + LINES_PER_CALL]) for start in starts]


def _line(invoice: Invoice, line: InvoiceLine) -> DraftLine:
    description = line.description
    if line.price_per_million:
        price = f"{line.price_per_million} {invoice.currency} per million"
        description = f"{description}: {line.quantity:,} at {price}"
    return DraftLine(
        mark=str(line.position),
        amount_minor=in_stripes_unit(line.amount_minor, invoice.currency),
        description=description,
    )
