"""Credit for some: paid ahead, given for a while, given for one model, topped up.

Before each month every tenant that pays ahead is given about as much as its use will
come to, in two grants of which one runs out; every seventh of the others has a gift
that pays for a part of its bill. So grants end used up, expired and open. Failure:
none of its own; granting again under the same reference changes nothing.
"""

import datetime as dt

from kit.money import PICOS_PER_UNIT, minor_from_picos
from kit.orm.roles import as_operator
from metering.ledger.services import grant_credit
from metering.topups.services import set_rule
from tenants.models import Tenant
from tests.scale.sizes import MONTHS, Scale
from tests.scale.world import CURRENCIES, MODELS, QUOTES, World

GIFT_EVERY = 7
DAY_S = 86_400
GIFT_LASTS = dt.timedelta(days=20)
# About what an event comes to, in tokens of the dearest model's input.
_EVENT_TOKENS = 1200


def give_credit(world: World, scale: Scale, phase: int) -> int:
    """Give what is due before a month; return how many grants."""
    begins, _ = MONTHS[phase]
    shares = _shares(world)
    events = len(scale.events_in(phase))
    given = 0
    with as_operator():
        for rank, tenant in enumerate(world.tenants, 1):
            quote = QUOTES[CURRENCIES[rank % len(CURRENCIES)]]
            picos = events * shares[tenant.pk] * _EVENT_TOKENS * quote * PICOS_PER_UNIT
            expected = int(picos / 1e6) + 1
            if tenant in world.prepaid:
                _keep_topped_up(tenant, expected)
                _grant(tenant, "top_up", expected, begins, phase)
                _grant(
                    tenant,
                    "promotional",
                    expected // 2 + 1,
                    begins,
                    phase,
                    expires_at=begins + GIFT_LASTS,
                )
                given += 2
            elif rank % GIFT_EVERY == 0:
                scope = [MODELS[0]] if rank % (2 * GIFT_EVERY) == 0 else []
                _grant(
                    tenant,
                    "promotional",
                    expected // 3 + 1,
                    begins,
                    phase,
                    expires_at=begins + GIFT_LASTS,
                    for_models=scope,
                )
                given += 1
    return given


def _grant(
    tenant: Tenant,
    source: str,
    picos: int,
    now: dt.datetime,
    phase: int,
    *,
    expires_at: dt.datetime | None = None,
    for_models: list[str] | None = None,
) -> None:
    grant_credit(
        tenant=tenant,
        now=now,
        source=source,
        amount_picos=picos,
        reference=f"{source} of phase {phase + 1}",
        expires_at=expires_at,
        for_models=for_models or [],
    )


def _keep_topped_up(tenant: Tenant, picos: int) -> None:
    """Let a tenant be topped up by itself when half a month's use is left."""
    amount = max(1, minor_from_picos(picos // 2, tenant.currency))
    set_rule(
        tenant=tenant,
        threshold_picos=picos // 2 + 1,
        amount_minor=amount,
        period_max_minor=amount * 2,
        cool_off_s=DAY_S,
        enabled=True,
    )


def _shares(world: World) -> dict[int, float]:
    whole = sum(place.weight for place in world.places)
    shares: dict[int, float] = {}
    for place in world.places:
        shares[place.tenant_id] = shares.get(place.tenant_id, 0) + place.weight / whole
    return shares
