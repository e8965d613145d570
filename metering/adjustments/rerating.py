"""Rate use of a model anew by a corrected price, in chunks of all or nothing.

What stands of a request under any other price is taken back, and the same tokens are
charged by the corrected one. So a request that is rated anew twice is charged by the
last price, and nothing of what was published or metered is changed.

A chunk is one transaction: it posts, adds up what each tenant comes to, and notes the
last request it took. Failure: killed anywhere, the next run goes on after the last
chunk; a chunk that was made is never made again, because its events are listed under
the re-rating. Two workers never have the same re-rating in hand. Owns: what each has
come to.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kit.contracts import EventKind, LinearPrice, TokenCounts
from kit.orm.atomic import atomic, cursor
from kit.orm.audited import tell
from kit.orm.saving import create
from metering.adjustments.models import Adjustment, ReratedTenant, Rerating
from metering.adjustments.previewing import parameters, scope_of_rerating
from metering.adjustments.rerating_sql import ADD, NEXT
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

POSTER = "re-ratings"
CHUNK_REQUESTS = 500
_FIRST_ID = UUID(int=0)


def rerate_chunk(
    *, rerating_id: int, now: dt.datetime, chunk_requests: int = CHUNK_REQUESTS
) -> int:
    """Rate the next requests anew; return how many, none where nothing is left.

    A re-rating that another worker has in hand is left to it.
    """
    with atomic():
        row = (
            Rerating.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("book", "tenant", "price__version__book")
            .filter(pk=rerating_id, state=Rerating.State.RUNNING)
            .first()
        )
        if row is None:
            return 0
        requests = _next(row, chunk_requests)
        if not requests:
            _finish(row, now)
            return 0
        _rerate(row, requests)
        return len(requests)


def _rerate(row: Rerating, requests: Sequence[Request]) -> None:
    take_posting_turn()
    price = linear(row.price)
    corrections: list[Correction] = []
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    counted: dict[int, int] = {}
    for request, stands in standing_of(requests).items():
        moved = _moved(stands, price, source=f"re-rating {row.pk}")
        corrections.extend(moved)
        tenant_id = request.tenant_id
        counted[tenant_id] = counted.get(tenant_id, 0) + 1
        before[tenant_id] = before.get(tenant_id, 0) + _charged(stands)
        after[tenant_id] = after.get(tenant_id, 0) + _charged_by(stands, price)
    with cursor() as session:
        sums: dict[str, Any] = {
            "rerating": row.pk,
            "tenants": list(counted),
            "requests": list(counted.values()),
            "before": [before[each] for each in counted],
            "after": [after[each] for each in counted],
        }
        session.execute(ADD, sums)
    last = requests[-1]
    row.after_tenant_id, row.after_request_id = last.tenant_id, last.request_id
    row.save(update_fields=["after_tenant_id", "after_request_id"])
    # Last: from here on, gateways that settle for these tenants wait for the commit.
    post_corrections(corrections, poster=POSTER)


def _moved(
    stands: Sequence[Standing], price: LinearPrice, *, source: str
) -> list[Correction]:
    """Take back what stands under other prices, and charge it by this one."""
    kind = EventKind.ADJUSTMENT
    others = [each for each in stands if each.price_id != price.id]
    if not others:
        return []
    request = others[0].request
    anew = Correction(
        tenant_id=request.tenant_id,
        corrects=request.request_id,
        kind=kind,
        source=source,
        counts=total_of(others),
        price_id=price.id,
    )
    back = [each.taken_back(kind=kind, source=source) for each in others]
    return [*back, anew] if anew.counts != TokenCounts() else back


def _next(row: Rerating, limit: int) -> list[Request]:
    with cursor() as session:
        asked = {
            **parameters(scope_of_rerating(row)),
            "after_tenant": row.after_tenant_id,
            "after_request": row.after_request_id or _FIRST_ID,
            "limit": limit,
        }
        session.execute(NEXT, asked)
        return [Request(*found) for found in session.fetchall()]


def _finish(row: Rerating, now: dt.datetime) -> None:
    """End a re-rating, and let each tenant see what it came to."""
    for each in ReratedTenant.objects.filter(rerating=row).order_by("tenant_id"):
        create(_adjustment(row, each), action="rerate")
    row.state, row.finished_at = Rerating.State.DONE, now
    row.save(update_fields=["state", "finished_at"])
    tell(
        row,
        action="finish",
        before={"state": Rerating.State.RUNNING},
        after={"state": row.state, "finished_at": now},
    )


def _adjustment(row: Rerating, came_to: ReratedTenant) -> Adjustment:
    requests = {"requests": came_to.requests}
    return Adjustment(
        tenant_id=came_to.tenant_id,
        kind=Adjustment.Kind.RERATE,
        rerating=row,
        reason=row.reason,
        reference=f"re-rating {row.pk}",
        before=requests,
        after=requests,
        charge_before_picos=came_to.charge_before_picos,
        charge_after_picos=came_to.charge_after_picos,
        currency=row.book.currency,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
    )


def _charged(stands: Sequence[Standing]) -> int:
    return sum(each.charge_picos for each in stands)


def _charged_by(stands: Sequence[Standing], price: LinearPrice) -> int:
    return charge_picos(price, total_of(stands))
