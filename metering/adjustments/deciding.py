"""Decide to rate use of a model anew, and ask for the job that does it.

Failure: what makes no sense, or is not over yet, is refused, and nothing is written.
Two who decide at once wait for each other on the price book. Owns: re-ratings.
"""

import datetime as dt
from dataclasses import replace

from kit.acting import current
from kit.contracts import LinearPrice
from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import create
from metering.adjustments.models import Rerating
from metering.adjustments.previewing import Scope, as_price, require_sound
from metering.adjustments.rerating_job import ask_for
from metering.pricing.corrective import Quote, corrective_price
from metering.pricing.models import PriceBook
from metering.pricing.selectors import linear


def start_rerating(
    *, scope: Scope, quote: Quote, reason: str, reference: str, now: dt.datetime
) -> Rerating:
    """Decide on a re-rating, once for each reference; a job does it from then on.

    Raises `Conflict` while another one of the same book and model is under way, and
    where the preview would be refused.
    """
    if not reason.strip():
        raise InvalidRequest("Say why it is rated anew.", param="reason")
    with atomic():
        PriceBook.objects.select_for_update().get(pk=scope.book.pk)
        known = Rerating.objects.filter(reference=reference).first()
        if known is not None:
            return _same(known, scope, quote)
        running = Rerating.objects.filter(
            book=scope.book, model=scope.model, state=Rerating.State.RUNNING
        )
        if running.exists():
            raise Conflict(
                f"Use of '{scope.model}' under {scope.book} is being rated anew: wait "
                "until that is done."
            )
        require_sound(scope, now=now)
        price = corrective_price(
            book=scope.book, model=scope.model, quote=quote, effective_at=scope.start
        )
        row = _row(scope, price, reason=reason.strip(), reference=reference)
        create(row, action="start")
        row.refresh_from_db()
        ask_for(row)
        return row


def _row(scope: Scope, price: LinearPrice, *, reason: str, reference: str) -> Rerating:
    actor = current()
    return Rerating(
        tenant=scope.tenant,
        book=scope.book,
        model=scope.model,
        starts_at=scope.start,
        ends_at=scope.end,
        price_id=price.id,
        reason=reason,
        reference=reference,
        actor_kind=actor.kind,
        actor_id=actor.id,
    )


def _same(known: Rerating, scope: Scope, quote: Quote) -> Rerating:
    """Return a re-rating that was decided on with the same terms."""
    tenant_id = scope.tenant.pk if scope.tenant else None
    price = replace(as_price(scope, quote), id=known.price_id)
    asked = (scope.book.pk, scope.model, scope.start, scope.end, tenant_id, price)
    kept = (
        known.book_id,
        known.model,
        known.starts_at,
        known.ends_at,
        known.tenant_id,
        linear(known.price),
    )
    if asked != kept:
        raise Conflict(
            "Another re-rating has this reference: choose another one.",
            param="reference",
        )
    return known
