"""From what was posted to the lines of an invoice, and the hash that proves them. Pure.

A line is the use of one price and token class: of the period itself, or, named as an
adjustment, of an earlier month that was invoiced before the use was known. It holds the
exact sum and what is charged for it; nothing else of an invoice is ever rounded.

Failure: postings that are not what their price makes of their tokens are refused with
`LineError`. The order of the postings changes nothing.
"""

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kit.contracts import LinearPrice, TokenClass
from kit.money import minor_from_picos
from metering.billing.models import InvoiceLine
from metering.pricing.rating import unit_picos

Kind = InvoiceLine.Kind
# The month that is adjusted (none for the period itself), the price, the class.
_Group = tuple[dt.date | None, int, TokenClass]

CLASS_NAMES = {
    TokenClass.INPUT: "input tokens",
    TokenClass.CACHED_INPUT: "cached input tokens",
    TokenClass.OUTPUT: "output tokens",
}


class LineError(Exception):
    """The postings do not make an invoice."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One day posting that no invoice has claimed yet."""

    date: dt.date
    price: LinearPrice
    token_class: TokenClass
    revision: int
    quantity: int
    charge_picos: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and the postings that it charges."""

    kind: str
    description: str
    price: LinearPrice
    token_class: TokenClass
    quantity: int
    unit_picos: int
    exact_picos: int
    amount_minor: int
    postings: tuple[Posted, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines of an invoice, in order, with their sums."""

    currency: str
    lines: tuple[Line, ...]

    @property
    def exact_picos(self) -> int:
        """Return what was used, exactly."""
        return sum(line.exact_picos for line in self.lines)

    @property
    def amount_minor(self) -> int:
        """Return what is charged: the sum of the lines, each rounded by itself."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def sha256(self) -> str:
        """Return the hash of the canonical form."""
        return hashlib.sha256(canonical(self)).hexdigest()


def make_lines(
    postings: Iterable[Posted], *, currency: str, first_date: dt.date
) -> Lines:
    """Group postings into lines; `first_date` is the first of the invoiced period.

    What nets to no tokens at all makes no line and stays unclaimed. Raises `LineError`
    for a posting in another currency or with a charge that its price does not make.
    """
    groups: dict[_Group, list[Posted]] = defaultdict(list)
    for posting in postings:
        _require_sound(posting, currency)
        month = None if posting.date >= first_date else posting.date.replace(day=1)
        groups[month, posting.price.id, posting.token_class].append(posting)
    lines = [
        _line(month, token_class, group, currency)
        for (month, _, token_class), group in groups.items()
        if sum(posting.quantity for posting in group) != 0
    ]
    lines.sort(key=_order)
    return Lines(currency, tuple(lines))


def canonical(lines: Lines) -> bytes:
    """Return the form that is hashed: the same use and prices give the same bytes."""
    rows = [
        {
            "kind": str(line.kind),
            "description": line.description,
            "model": line.price.model,
            "price": line.price.id,
            "class": line.token_class.name.lower(),
            "quantity": str(line.quantity),
            "unit_picos": str(line.unit_picos),
            "exact_picos": str(line.exact_picos),
            "amount_minor": str(line.amount_minor),
        }
        for line in lines.lines
    ]
    document = {"currency": lines.currency, "lines": rows}
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    ).encode()


def _require_sound(posting: Posted, currency: str) -> None:
    if posting.price.currency != currency:
        raise LineError(
            f"use of {posting.date} is priced in {posting.price.currency}, and an "
            f"invoice in {currency} cannot charge it"
        )
    rated = posting.quantity * unit_picos(posting.price, posting.token_class)
    if rated != posting.charge_picos:
        raise LineError(
            f"{posting.quantity} tokens of price {posting.price.id} on {posting.date} "
            f"were posted as {posting.charge_picos} picos and rate to {rated}"
        )


def _line(
    month: dt.date | None,
    token_class: TokenClass,
    group: Sequence[Posted],
    currency: str,
) -> Line:
    price = group[0].price
    exact = sum(posting.charge_picos for posting in group)
    name = f"{price.model}, {CLASS_NAMES[token_class]}"
    return Line(
        kind=Kind.USAGE if month is None else Kind.ADJUSTMENT,
        description=name if month is None else f"{name}, adjustment of {month:%Y-%m}",
        price=price,
        token_class=token_class,
        quantity=sum(posting.quantity for posting in group),
        unit_picos=unit_picos(price, token_class),
        exact_picos=exact,
        amount_minor=minor_from_picos(exact, currency),
        postings=tuple(group),
    )


def _order(line: Line) -> tuple[bool, str, int, TokenClass, dt.date]:
    """Sort use before adjustments, then by model, price, class and month."""
    first = min(posting.date for posting in line.postings).replace(day=1)
    adjusts = line.kind == Kind.ADJUSTMENT
    return (adjusts, line.price.model, line.price.id, line.token_class, first)
