"""What a credit note takes back of an invoice's own lines and of their tax. Pure.

A note names lines and amounts of them, as they were rounded. Tax follows the sum: all
notes together take back of each tax line its share of all that they take back of what
it is on, half up once on that sum. So tax never drifts by rounding, notes in any number
of pieces come to what one note would, and all of them to the invoice at most.

Failure: what the lines do not have is refused with `Conflict`, before anything is
written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kit.errors import Conflict
from kit.money import exponent, format_minor, minor_from_units
from metering.billing.models import InvoiceLine

Kind = InvoiceLine.Kind
# Credit that paid a part is no charge: it is given back by what the note comes to.
NOT_NET = (Kind.TAX, Kind.CREDIT)


@dataclass(frozen=True, slots=True)
class Creditable:
    """A line as it was charged, and what earlier notes took back of it."""

    position: int
    kind: str
    amount_minor: int
    noted_minor: int

    @property
    def left_minor(self) -> int:
        """Return what may still be taken back, in the line's own sign."""
        return self.amount_minor - self.noted_minor


def note_amounts(
    lines: Sequence[Creditable], wanted: Mapping[int, int] | None, *, currency: str
) -> dict[int, int]:
    """Return what a note takes back of each line, by position, taxes included.

    `wanted` gives minor units by position of lines before tax, in the line's own sign;
    without it, all that is left. Raises `Conflict`.
    """
    net = {line.position: line for line in lines if line.kind not in NOT_NET}
    if wanted is None:
        wanted = {position: line.left_minor for position, line in net.items()}
    for position, minor in wanted.items():
        _require_left(net.get(position), position, minor, currency)
    subtotal = sum(line.amount_minor for line in net.values())
    before = sum(line.noted_minor for line in net.values())
    after = before + sum(wanted.values())
    if after <= before:
        raise Conflict("Nothing is left of these lines that a note could take back.")
    if after > subtotal:
        left = format_minor(subtotal - before, currency)
        raise Conflict(f"Before tax {left} is left of this invoice: take back no more.")
    found = {position: minor for position, minor in wanted.items() if minor}
    for line in lines:
        if line.kind == Kind.TAX:
            due = Fraction(
                line.amount_minor * after, subtotal * 10 ** exponent(currency)
            )
            minor = minor_from_units(due, currency) - line.noted_minor
            if minor:
                found[line.position] = minor
    return dict(sorted(found.items()))


def gross_amounts(
    lines: Sequence[Creditable], gross_minor: int, *, currency: str
) -> dict[int, int]:
    """Return what money that is gone takes back of each line: so much, tax in it.

    Of all that was taken back each tax has the share that it has of the invoice, half
    up, and the other lines have the rest; where taxes rounded up come to more than is
    gone, the last have less. Raises `Conflict` for more than is left.
    """
    asked = [line for line in lines if line.kind != Kind.CREDIT]
    whole = sum(line.amount_minor for line in asked)
    after = sum(line.noted_minor for line in asked) + gross_minor
    if gross_minor <= 0 or after > whole:
        left = format_minor(whole - after + gross_minor, currency)
        raise Conflict(f"Of this invoice {left} is left: take back no more.")
    found: dict[int, int] = {}
    rest = gross_minor
    for line in asked:
        if line.kind == Kind.TAX:
            due = Fraction(line.amount_minor * after, whole * 10 ** exponent(currency))
            minor = minor_from_units(due, currency) - line.noted_minor
            found[line.position] = min(max(minor, 0), line.left_minor, rest)
            rest -= found[line.position]
    # Taxes last: they take what rounding leaves over.
    for line in sorted(asked, key=lambda line: line.kind == Kind.TAX):
        part = min(rest, line.left_minor - found.get(line.position, 0))
        found[line.position] = found.get(line.position, 0) + part
        rest -= part
    return {position: minor for position, minor in sorted(found.items()) if minor}


def _require_left(
    line: Creditable | None, position: int, minor: int, currency: str
) -> None:
    if line is None:
        raise Conflict(
            f"Line {position} is none of this invoice's before tax and credit.",
            param="lines",
        )
    low, high = sorted((0, line.left_minor))
    if not low <= minor <= high:
        left = format_minor(line.left_minor, currency)
        raise Conflict(
            f"Of line {position} {left} is left: take back no more.", param="lines"
        )
