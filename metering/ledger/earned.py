"""What was earned: revenue by month, by tenant and by model, from the books alone.

Use counts when it was consumed, at its rated amount; a fee paid in advance when its
period is over; what plans make of use (tiers, minimums, fees in arrears) when it is
invoiced; paid credit that nobody used when it expires. What reduces revenue stands
apart: discounts, credit notes, and credit given away, which counts as it is used if it
is promotional and as it is given otherwise. Tax, rounding and bad debt are no revenue.
Amounts here are positive where they add to revenue.
"""

import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kit.contracts import TokenClass
from kit.orm.atomic import cursor
from metering.ledger.models import Account, Transaction
from metering.ledger.months import Turnover, turnovers

_Account = Account.Kind
_Kind = Transaction.Kind


class Part(enum.StrEnum):
    """Why revenue was earned, or reduced."""

    USE = "use"
    FEES = "fees"
    PLANS = "plans"
    BREAKAGE = "breakage"
    DISCOUNTS = "discounts"
    GIVEN = "given"
    NOTES = "notes"


CONTRA = (Part.DISCOUNTS, Part.GIVEN, Part.NOTES)
"""What is taken off: gross less these is net."""
_EARNED = {
    _Kind.USAGE: Part.USE,
    _Kind.FEE: Part.FEES,
    _Kind.CREDIT_NOTE: Part.NOTES,
}
_OF_PLANS = (_Kind.INVOICE, _Kind.CREDIT_NOTE)
ACCOUNTS = (
    _Account.REVENUE,
    _Account.BREAKAGE,
    _Account.DISCOUNTS,
    # What was promised and is not used yet is no reduction yet: with discounts, what
    # is left of both is credit that was used.
    _Account.PROMOTIONAL,
)

_BY_MODEL = """
SELECT price.model, book.currency, sold.token_class, sum(sold.quantity),
    sum(sold.charge_picos)
FROM (
    SELECT price_id, token_class, sum(quantity) AS quantity,
        sum(charge_picos) AS charge_picos
    FROM ledger_posteduse
    WHERE month BETWEEN %(first)s AND %(last)s
        AND (%(tenant)s::bigint IS NULL OR tenant_id = %(tenant)s)
    GROUP BY 1, 2
) AS sold
JOIN pricing_price price ON price.id = sold.price_id
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
GROUP BY 1, 2, 3 ORDER BY 2, 1, 3
"""


@dataclass(frozen=True, slots=True)
class Earned:
    """What was earned under one key (a month, a tenant) in one currency."""

    key: dt.date | int | None
    currency: str
    parts: dict[Part, int]

    @property
    def gross_picos(self) -> int:
        """Return what was earned before anything was taken off."""
        return sum(picos for part, picos in self.parts.items() if part not in CONTRA)

    @property
    def contra_picos(self) -> int:
        """Return what was taken off; below zero where it was."""
        return sum(self.parts[part] for part in CONTRA)

    @property
    def net_picos(self) -> int:
        """Return net revenue."""
        return sum(self.parts.values())


@dataclass(slots=True)
class ModelUse:
    """The use of one model that is in the books: tokens and charge by class."""

    model: str
    currency: str
    tokens: dict[TokenClass, int] = field(default_factory=dict)
    picos: dict[TokenClass, int] = field(default_factory=dict)

    @property
    def charge_picos(self) -> int:
        """Return what its use earned."""
        return sum(self.picos.values())


def part_of(account: Account.Kind, kind: Transaction.Kind) -> Part:
    """Return what a movement on one of `ACCOUNTS` is of revenue."""
    match account:
        case _Account.BREAKAGE:
            return Part.BREAKAGE
        case _Account.REVENUE:
            return _EARNED.get(kind, Part.PLANS)
        case _Account.DISCOUNTS if kind in _OF_PLANS:
            return Part.DISCOUNTS
        case _:
            return Part.GIVEN


def revenue_by_month(
    *, first: dt.date, last: dt.date, tenant_id: int | None = None
) -> list[Earned]:
    """Return what each month earned, by currency and month, if anything moved."""
    rows = turnovers(
        first=first, last=last, accounts=ACCOUNTS, tenant_id=tenant_id, by_month=True
    )
    return _earned(rows, lambda row: row.month)


def revenue_by_tenant(*, first: dt.date, last: dt.date) -> list[Earned]:
    """Return what each tenant brought in, by currency and tenant."""
    rows = turnovers(first=first, last=last, accounts=ACCOUNTS, by_tenant=True)
    return _earned(rows, lambda row: row.tenant_id)


def revenue(
    *, first: dt.date, last: dt.date, tenant_id: int | None = None
) -> list[Earned]:
    """Return what a range of months earned, by currency."""
    rows = turnovers(first=first, last=last, accounts=ACCOUNTS, tenant_id=tenant_id)
    return _earned(rows, lambda _: None)


def use_by_model(
    *, first: dt.date, last: dt.date, tenant_id: int | None = None
) -> list[ModelUse]:
    """Return the use of each model in the books, by currency and model.

    Their charges sum to the part `USE` of the same months.
    """
    found: dict[tuple[str, str], ModelUse] = {}
    with cursor() as session:
        session.execute(_BY_MODEL, {"first": first, "last": last, "tenant": tenant_id})
        for model, currency, token_class, quantity, picos in session.fetchall():
            row = found.setdefault((currency, model), ModelUse(model, currency))
            row.tokens[TokenClass(token_class)] = int(quantity)
            row.picos[TokenClass(token_class)] = int(picos)
    return list(found.values())


def _earned(
    rows: Iterable[Turnover], key_of: Callable[[Turnover], dt.date | int | None]
) -> list[Earned]:
    sums: dict[tuple[str, dt.date | int | None], dict[Part, int]] = defaultdict(
        lambda: dict.fromkeys(Part, 0)
    )
    for row in rows:
        # Revenue is credited; what is taken off it is debited.
        part = part_of(row.account, row.kind)
        sums[row.currency, key_of(row)][part] -= row.picos
    return [
        Earned(key, currency, parts)
        for (currency, key), parts in sorted(
            sums.items(), key=lambda item: str(item[0])
        )
    ]
