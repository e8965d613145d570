"""From day postings to lines of use, at the one linear price of each. Pure.

A line is the use of one price and token class: of the period itself, or, named as an
adjustment, of an earlier one that is charged only now. What a plan's component charges
instead makes no line here. Failure: a posting that is not what its price makes of its
tokens is refused with `LineError`. The order of the postings changes nothing.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence

from kit.contracts import TokenClass
from kit.money import minor_from_picos
from metering.billing.composing.bill import period_text
from metering.billing.lines import CLASS_NAMES, Line, LineError, LineKind, Posted
from metering.pricing.rating import unit_picos

# The period that is adjusted (none for the bill's own), the price, the class.
Group = tuple[dt.date | None, int, TokenClass]


def use_lines(
    postings: Iterable[Posted], *, currency: str, first_date: dt.date
) -> list[tuple[dt.date | None, Line]]:
    """Group postings into lines, each with the start of the period that it adjusts.

    `first_date` is the first of the invoiced period. What nets to no tokens at all
    costs nothing and makes no line. Raises `LineError` for a posting in another
    currency or with a charge that its price does not make.
    """
    groups: dict[Group, list[Posted]] = defaultdict(list)
    for posting in postings:
        require_sound(posting, currency)
        adjusts = None if posting.date >= first_date else posting.period_start
        groups[adjusts, posting.price.id, posting.token_class].append(posting)
    lines = [
        (adjusts, _line(adjusts, token_class, group, currency))
        for (adjusts, _, token_class), group in groups.items()
        if sum(posting.quantity for posting in group) != 0
    ]
    lines.sort(key=_order)
    return lines


def require_sound(posting: Posted, currency: str) -> None:
    """Refuse a posting that this bill cannot charge as it stands."""
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
    adjusts: dt.date | None,
    token_class: TokenClass,
    group: Sequence[Posted],
    currency: str,
) -> Line:
    price = group[0].price
    exact = sum(posting.charge_picos for posting in group)
    name = f"{price.model}, {CLASS_NAMES[token_class]}"
    kind, key = LineKind.USAGE, f"usage/{price.id}/{token_class.value}"
    if adjusts is not None:
        kind = LineKind.ADJUSTMENT
        key = f"adjustment/{adjusts}/{price.id}/{token_class.value}"
        ended = group[0].period_end
        name = f"{name}, adjustment of {period_text(adjusts, ended)}"
    return Line(
        kind=kind,
        key=key,
        description=name,
        model=price.model,
        price_id=price.id,
        token_class=token_class,
        quantity=sum(posting.quantity for posting in group),
        unit_picos=unit_picos(price, token_class),
        exact_picos=exact,
        amount_minor=minor_from_picos(exact, currency),
    )


def _order(
    made: tuple[dt.date | None, Line],
) -> tuple[bool, str, int, TokenClass, dt.date]:
    """Sort use before adjustments, then by model, price, class and period."""
    adjusts, line = made
    return (
        adjusts is not None,
        line.model,
        line.price_id or 0,
        line.token_class or TokenClass.REQUESTS,
        adjusts or dt.date.min,
    )
