"""The lines of an invoice as values, and the hash that proves them. Pure.

A line has an exact sum in picos and what is charged for it; nothing else of an invoice
is ever rounded. Failure: what makes no line is refused with `LineError`.
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum

from kit.contracts import LinearPrice, TokenClass
from kit.json_values import JsonObject

CLASS_NAMES = {
    TokenClass.INPUT: "input tokens",
    TokenClass.CACHED_INPUT: "cached input tokens",
    TokenClass.OUTPUT: "output tokens",
}


class LineError(Exception):
    """The postings do not make an invoice."""


class LineKind(StrEnum):
    """Why a line is on an invoice, in the order in which they stand on it.

    Each takes from, or adds to, the sum of those before it.
    """

    USAGE = "usage"
    ADJUSTMENT = "adjustment"
    TOP_UP = "top_up"
    COMPONENT = "component"
    FEE = "fee"
    DISCOUNT = "discount"
    COMMITMENT = "commitment"
    CREDIT = "credit"
    TAX = "tax"


# What an invoice comes to before these is its subtotal.
AFTER_SUBTOTAL = frozenset({LineKind.CREDIT, LineKind.TAX})


@dataclass(frozen=True, slots=True)
class Posted:
    """One day posting to be charged, and the half-open period that its day is in."""

    date: dt.date
    price: LinearPrice
    token_class: TokenClass
    revision: int
    quantity: int
    charge_picos: int
    period_start: dt.date
    period_end: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; use has a price, of others `document` says how they came about.

    `key` names its reason, so that the same reason is the same line whenever it is
    made.
    """

    kind: LineKind
    key: str
    description: str
    exact_picos: int
    amount_minor: int
    quantity: int = 1
    model: str = ""
    price_id: int | None = None
    token_class: TokenClass | None = None
    unit_picos: int | None = None
    document: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines of an invoice, in order, with their sums."""

    currency: str
    lines: tuple[Line, ...]

    @property
    def exact_picos(self) -> int:
        """Return what is asked for, exactly."""
        return sum(line.exact_picos for line in self.lines)

    @property
    def amount_minor(self) -> int:
        """Return what is charged: the sum of the lines, each rounded by itself."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def subtotal_minor(self) -> int:
        """Return what is charged before credit and tax."""
        return sum(
            line.amount_minor for line in self.lines if line.kind not in AFTER_SUBTOTAL
        )

    @property
    def tax_minor(self) -> int:
        """Return the tax in what is charged."""
        return sum(
            line.amount_minor for line in self.lines if line.kind is LineKind.TAX
        )

    @property
    def sha256(self) -> str:
        """Return the hash of the canonical form."""
        return hashlib.sha256(canonical(self)).hexdigest()


def canonical(lines: Lines) -> bytes:
    """Return the form that is hashed: the same facts and prices give the same bytes."""
    rows = [_canonical(line) for line in lines.lines]
    document = {"currency": lines.currency, "lines": rows}
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    ).encode()


def _canonical(line: Line) -> JsonObject:
    row: JsonObject = {
        "kind": str(line.kind),
        "description": line.description,
        "model": line.model,
        "quantity": str(line.quantity),
        "exact_picos": str(line.exact_picos),
        "amount_minor": str(line.amount_minor),
    }
    if line.token_class is None:
        return row | {"key": line.key, "document": line.document}
    # What names use is its price and class: its key only says both again.
    return row | {
        "price": line.price_id,
        "class": line.token_class.name.lower(),
        "unit_picos": str(line.unit_picos),
    }
