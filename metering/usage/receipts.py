"""A request's receipt: when what happened, and how its tokens came to its charge.

It is read from the usage event and its corrections, which say all that was kept; what
nobody wrote down, as of a request that a killed gateway had not settled, is None.
Failure: a request that is not there, or lies outside of what whoever asks may see,
raises `NotFound`.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kit.contracts import EventKind, TokenClass
from kit.errors import NotFound
from kit.handling import Handling
from kit.orm.atomic import cursor
from metering.usage.request_log import LoggedRequest, RequestQuery, requests

_EVENTS = """
SELECT event.request_id, event.kind, event.price_id, event.committed_at,
    event.queue_us, event.chunks, event.gap_max_us, event.generated_tokens,
    event.input_tokens, event.cached_input_tokens, event.output_tokens,
    event.charge_picos
FROM usage_event event
WHERE event.tenant_id = %(tenant)s AND event.request_id = %(request)s
UNION ALL
SELECT event.request_id, event.kind, event.price_id, event.committed_at,
    NULL, NULL, NULL, NULL,
    event.input_tokens, event.cached_input_tokens, event.output_tokens,
    event.charge_picos
FROM usage_correction correction
JOIN usage_event event ON event.tenant_id = correction.tenant_id
    AND event.request_id = correction.request_id
WHERE correction.tenant_id = %(tenant)s AND correction.corrects = %(request)s
ORDER BY 4, 1
"""
_PRICES = "SELECT * FROM usage_prices_of(%(tenant)s, %(request)s)"


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """The version of a price book that a charge was made by."""

    price_id: int
    number: int
    effective_at: dt.datetime
    unit_picos: Mapping[TokenClass, int]


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """Tokens of one class times the price of one: a part of a charge."""

    token_class: TokenClass
    tokens: int
    unit_picos: int

    @property
    def charge_picos(self) -> int:
        """Return the product."""
        return self.tokens * self.unit_picos


@dataclass(frozen=True, slots=True)
class Charge:
    """What one event charges, or gives back: the request's own or a correction's."""

    event_id: UUID
    kind: EventKind
    committed_at: dt.datetime
    version: PriceVersion
    lines: tuple[ReceiptLine, ...]
    charge_picos: int

    @property
    def adds_up(self) -> bool:
        """Tell whether its lines are its charge."""
        return sum(line.charge_picos for line in self.lines) == self.charge_picos


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request with all that was kept of it.

    Durations are microseconds since the request arrived; None is what was not measured.
    """

    request: LoggedRequest
    charge: Charge
    corrections: tuple[Charge, ...]
    queue_us: int | None
    chunks: int | None
    gap_max_us: int | None
    generated_tokens: int

    @property
    def handling(self) -> Handling:
        """Return what was done for it on its way."""
        return self.request.handling

    @property
    def held_picos(self) -> int | None:
        """Return the most that what was held when it was let in could have cost."""
        held_input = self.handling.held_input_tokens
        held_output = self.handling.held_output_tokens
        if held_input is None or held_output is None:
            return None
        units = self.charge.version.unit_picos
        dearest = max(units[TokenClass.INPUT], units[TokenClass.CACHED_INPUT])
        return held_input * dearest + held_output * units[TokenClass.OUTPUT]

    @property
    def settled_at(self) -> dt.datetime:
        """Return when its event was committed."""
        return self.charge.committed_at


def receipt(
    *, tenant_id: int, request_id: UUID, reach: frozenset[int] | None = None
) -> Receipt:
    """Return a request's receipt; `reach` as in `RequestQuery`. Raises `NotFound`."""
    query = RequestQuery(tenant_id=tenant_id, request_id=request_id, reach=reach)
    found = requests(query, size=1).rows
    if not found:
        raise NotFound(f"There is no request {request_id} that has ended.")
    asked: dict[str, Any] = {"tenant": tenant_id, "request": request_id}
    with cursor() as session:
        session.execute(_EVENTS, asked)
        events = session.fetchall()
        # After them: one may be corrected at another price at this moment.
        session.execute(_PRICES, asked)
        versions = {row[0]: _version(*row) for row in session.fetchall()}
    charges = [_charge(versions, event) for event in events]
    own, timed = next(
        (charge, event)
        for charge, event in zip(charges, events, strict=True)
        if charge.kind is EventKind.REQUEST
    )
    return Receipt(
        request=found[0],
        charge=own,
        corrections=tuple(each for each in charges if each is not own),
        queue_us=timed[4],
        chunks=timed[5],
        gap_max_us=timed[6],
        generated_tokens=timed[7],
    )


def _version(
    price_id: int,
    input_picos: int,
    cached_input_picos: int,
    output_picos: int,
    number: int,
    effective_at: dt.datetime,
) -> PriceVersion:
    units = {
        TokenClass.INPUT: input_picos,
        TokenClass.CACHED_INPUT: cached_input_picos,
        TokenClass.OUTPUT: output_picos,
    }
    return PriceVersion(price_id, number, effective_at, units)


def _charge(versions: Mapping[int, PriceVersion], event: tuple) -> Charge:  # type: ignore[type-arg]
    pk, kind, price_id, committed_at = event[:4]
    fresh, cached, output, picos = event[8:12]
    version = versions[price_id]
    counts = {
        TokenClass.INPUT: fresh,
        TokenClass.CACHED_INPUT: cached,
        TokenClass.OUTPUT: output,
    }
    lines = tuple(
        ReceiptLine(each, tokens, version.unit_picos[each])
        for each, tokens in counts.items()
        if tokens or each is not TokenClass.CACHED_INPUT
    )
    return Charge(pk, EventKind(kind), committed_at, version, lines, picos)
