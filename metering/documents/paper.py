"""What a document says, ready to be laid out: every figure is text. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or who buys: a name, and lines below it."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PaperLine:
    """One line: what it is for, and what it comes to; use has a quantity and price."""

    title: str
    detail: str
    quantity: str
    price: str
    amount: str


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum beneath the lines, such as a tax, with its amount."""

    label: str
    amount: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AnnexRow:
    """Use of one day, or of one project."""

    name: str
    model: str
    token_class: str
    quantity: str
    exact: str


@dataclass(frozen=True, slots=True)
class Annex:
    """Where the amounts of use come from, exactly."""

    title: str
    first_column: str
    rows: tuple[AnnexRow, ...]
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """All that a document says."""

    title: str
    number: str
    seller: Party
    buyer: Party
    facts: tuple[tuple[str, str], ...]
    currency: str
    # What is to be paid, or was credited, and what is said of it.
    headline: str
    amount: str
    instruction: str
    lines: tuple[PaperLine, ...]
    sums: tuple[Sum, ...]
    total: Sum
    notes: tuple[str, ...]
    payment: tuple[str, ...]
    footer: str
    annexes: tuple[Annex, ...] = ()

    @property
    def has_prices(self) -> bool:
        """Tell whether any line is of use."""
        return any(line.price for line in self.lines)


def party_of(kept: Mapping[str, Any], name: str) -> Party:
    """Return a party as an invoice keeps it; `name` where it keeps none."""
    tax_id, email = kept.get("tax_id"), kept.get("email")
    place = " ".join(filter(None, (kept.get("region"), kept.get("country"))))
    address = [line.strip() for line in str(kept.get("address") or "").splitlines()]
    lines = (*address, place, f"Tax id {tax_id}" if tax_id else "", email or "")
    return Party(str(kept.get("name") or name), tuple(filter(None, lines)))


def lines_in(text: object) -> tuple[str, ...]:
    """Return the lines of what somebody wrote, without empty ones."""
    return tuple(filter(None, (line.strip() for line in str(text or "").splitlines())))
