"""Void a request, or set its tokens right, by events that make up the difference.

What is adjusted is what stands: the request and all corrections of it so far. Tokens
that are set right are priced as the request was last rated. Failure: an adjustment that
would change nothing is refused; a reference that was used before answers with that
adjustment, and is a `Conflict` with other terms. Adjustment, events and audit are one
transaction; two adjusters at once take turns. Owns: adjustments of requests.
"""

from dataclasses import asdict, dataclass
from uuid import UUID

from kit.acting import current
from kit.contracts import EventKind, LinearPrice, TokenCounts
from kit.errors import Conflict, InvalidRequest, NotFound
from kit.orm.atomic import atomic, cursor
from kit.orm.audited import take_turn
from kit.orm.saving import create
from metering.adjustments.models import Adjustment
from metering.pricing.models import Price
from metering.pricing.rating import charge_picos
from metering.pricing.selectors import linear
from metering.usage.corrections import (
    Correction,
    Request,
    Standing,
    post_corrections,
    standing_of,
    take_posting_turn,
    total_of,
)
from metering.usage.models import Event

POSTER = "adjustments"
TOKENS_MAX = 2**31 - 1
CHARGE_MAX = 2**63 - 1
# The price that the last re-rating of a request left it with.
_RATED_ANEW = """
    SELECT max(event.price_id)
    FROM usage_correction correction
    JOIN usage_event event ON event.tenant_id = correction.tenant_id
        AND event.request_id = correction.request_id
    JOIN pricing_price price ON price.id = event.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    WHERE correction.tenant_id = %s AND correction.corrects = %s
        AND version.is_corrective
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall stand of a request: nothing, or these tokens."""

    request: Request
    counts: TokenCounts | None = None

    @property
    def kind(self) -> Adjustment.Kind:
        """Return whether the request is voided or corrected."""
        kinds = Adjustment.Kind
        return kinds.VOID if self.counts is None else kinds.CORRECT


@dataclass(frozen=True, slots=True)
class Effect:
    """What an adjustment changes: what stands, what shall, and by how much."""

    project_id: int
    currency: str
    before: TokenCounts
    after: TokenCounts
    charge_before_picos: int
    charge_after_picos: int
    differences: tuple[Standing, ...]

    @property
    def difference_picos(self) -> int:
        """Return what is charged more than before; less where negative."""
        return self.charge_after_picos - self.charge_before_picos


def preview_adjustment(wanted: Wanted) -> Effect:
    """Return what an adjustment would change now.

    Raises `NotFound` for a request that is not there and `InvalidRequest` for tokens
    that no request can have.
    """
    stands = standing_of([wanted.request]).get(wanted.request)
    if stands is None:
        raise NotFound(
            f"Tenant {wanted.request.tenant_id} has made no request "
            f"{wanted.request.request_id}."
        )
    original = Event.objects.get(
        tenant_id=wanted.request.tenant_id, request_id=wanted.request.request_id
    )
    anew = _rated_anew(wanted.request)
    price = linear(Price.objects.get(pk=anew or original.price_id))
    after = _require_possible(wanted.counts or TokenCounts(), price)
    standing = Standing(wanted.request, anew, after, charge_picos(price, after))
    return Effect(
        project_id=original.project_id,
        currency=price.currency,
        before=total_of(stands),
        after=after,
        charge_before_picos=sum(each.charge_picos for each in stands),
        charge_after_picos=standing.charge_picos,
        differences=_differences(stands, standing),
    )


def adjust_event(*, wanted: Wanted, reason: str, reference: str) -> Adjustment:
    """Let stand of a request what is wanted, once for each reference.

    Raises `Conflict` when nothing would change, or when the reference was used for
    something else, and `InvalidRequest` without a reason.
    """
    if not reason.strip():
        raise InvalidRequest("Say why it is adjusted.", param="reason")
    tenant_id = wanted.request.tenant_id
    with atomic():
        take_turn(tenant_id)
        take_posting_turn()
        made = Adjustment.objects.exclude(kind=Adjustment.Kind.RERATE)
        known = made.filter(tenant_id=tenant_id, reference=reference).first()
        if known is not None:
            return _same(known, wanted)
        effect = preview_adjustment(wanted)
        if not effect.differences:
            raise Conflict("The request stands at that already: nothing was changed.")
        row = _row(wanted, effect, reason=reason, reference=reference)
        create(row, action="adjust")
        posted = [_correction(each, row) for each in effect.differences]
        post_corrections(posted, poster=POSTER)
        row.refresh_from_db()
        return row


def _row(wanted: Wanted, effect: Effect, *, reason: str, reference: str) -> Adjustment:
    actor = current()
    return Adjustment(
        tenant_id=wanted.request.tenant_id,
        kind=wanted.kind,
        request_id=wanted.request.request_id,
        project_id=effect.project_id,
        reason=reason.strip(),
        reference=reference,
        before=asdict(effect.before),
        after=asdict(effect.after),
        charge_before_picos=effect.charge_before_picos,
        charge_after_picos=effect.charge_after_picos,
        currency=effect.currency,
        actor_kind=actor.kind,
        actor_id=actor.id,
    )


def _correction(difference: Standing, row: Adjustment) -> Correction:
    return Correction(
        tenant_id=difference.request.tenant_id,
        corrects=difference.request.request_id,
        kind=EventKind.ADJUSTMENT,
        source=f"adjustment {row.pk}",
        counts=difference.counts,
        price_id=difference.price_id,
    )


def _differences(stands: list[Standing], wanted: Standing) -> tuple[Standing, ...]:
    """Return what is missing of what is wanted, by price; all else is taken back."""
    by_price = {each.price_id: each for each in stands}
    nothing = Standing(wanted.request, wanted.price_id, TokenCounts(), 0)
    by_price.setdefault(wanted.price_id, nothing)
    missing = []
    for price_id, each in by_price.items():
        target = wanted.counts if price_id == wanted.price_id else TokenCounts()
        counts = _less(target, each.counts)
        if counts != TokenCounts():
            missing.append(Standing(wanted.request, price_id, counts, 0))
    return tuple(missing)


def _less(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    return TokenCounts(
        input_tokens=one.input_tokens - other.input_tokens,
        cached_input_tokens=one.cached_input_tokens - other.cached_input_tokens,
        output_tokens=one.output_tokens - other.output_tokens,
        reasoning_tokens=one.reasoning_tokens - other.reasoning_tokens,
    )


def _rated_anew(request: Request) -> int | None:
    with cursor() as session:
        session.execute(_RATED_ANEW, [request.tenant_id, request.request_id])
        price_id: int | None = session.fetchone()[0]
        return price_id


def _require_possible(counts: TokenCounts, price: LinearPrice) -> TokenCounts:
    for name, tokens in asdict(counts).items():
        if not 0 <= tokens <= TOKENS_MAX:
            raise InvalidRequest(f"Give 0 to {TOKENS_MAX} tokens.", param=name)
    if counts.reasoning_tokens > counts.output_tokens:
        raise InvalidRequest(
            "Reasoning lies inside the output: it is no more than that.",
            param="reasoning_tokens",
        )
    if charge_picos(price, counts) > CHARGE_MAX:
        raise InvalidRequest("No request can cost that much.", param="output_tokens")
    return counts


def _same(known: Adjustment, wanted: Wanted) -> Adjustment:
    """Return an adjustment that was made with the same terms."""
    counts = wanted.counts or TokenCounts()
    same: tuple[UUID | None, str, dict[str, int]] = (
        wanted.request.request_id,
        wanted.kind,
        asdict(counts),
    )
    if (known.request_id, known.kind, known.after) != same:
        raise Conflict(
            "Another adjustment was made under this reference: choose another one.",
            param="reference",
        )
    return known
