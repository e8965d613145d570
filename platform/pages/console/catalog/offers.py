"""What a tenant may call: each model with its own price, its change, state and speed.

Failure: a model without a price in force cannot be called, and is said to have none.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from inference.caching.naming import MARK, priced_as
from inference.control.models import ServedModel
from inference.control.offered import ModelState, model_states
from inference.control.selectors import callable_models
from inference.openai.tasks import Task
from kit.acting import current
from kit.contracts import LinearPrice
from metering.pricing.own import (
    OwnPrice,
    is_same,
    next_change,
    own_prices,
    price_histories,
    span_at,
)
from metering.usage.speeds import Speed, recent_speeds
from pages.design.badges import Badge, Tone
from tenants.models import Tenant

MILLION = 1_000_000
_TONES = {
    ModelState.READY: Tone.GOOD,
    ModelState.DEGRADED: Tone.WAIT,
    ModelState.DOWN: Tone.BAD,
    ModelState.UNKNOWN: Tone.PLAIN,
}
_WORDS = {ModelState.UNKNOWN: "not reported"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as one tenant finds it."""

    model: ServedModel
    price: OwnPrice | None
    since: dt.datetime | None
    """Since when the tenant pays it, whatever version it has been in."""
    cached_answer: LinearPrice | None
    """What an answer costs that is given again from the cache."""
    changes_at: dt.datetime | None
    """When its price is planned to be another one; None where nothing is planned."""
    coming: LinearPrice | None
    """Its price from then on; None where it has none any more."""
    state: ModelState
    speed: Speed | None
    is_retired: bool

    @property
    def badge(self) -> Badge:
        """Return its state as people read it."""
        if self.is_retired:
            return Badge("retired", Tone.BAD)
        if self.price is None:
            return Badge("no price", Tone.OVER)
        return Badge(_WORDS.get(self.state, self.state.value), _TONES[self.state])


def offers(
    models: Iterable[ServedModel], *, tenant: Tenant, now: dt.datetime
) -> list[Offer]:
    """Return these models as the tenant finds them."""
    models = list(models)
    prices = own_prices(tenant_id=tenant.pk, at=now)
    change = next_change(tenant_id=tenant.pk, at=now)
    then = own_prices(tenant_id=tenant.pk, at=change) if change else {}
    histories = price_histories(
        tenant_id=tenant.pk, models=[each.name for each in models]
    )
    states = model_states(now=now)
    speeds = recent_speeds(tenant_id=tenant.pk, reach=current().project_ids, now=now)
    found = []
    for model in models:
        price, coming = prices.get(model.name), then.get(model.name)
        cached = prices.get(priced_as(model.name)) if model.cache_s else None
        span = span_at(histories[model.name], now)
        is_other = change is not None and not is_same(price, coming)
        found.append(
            Offer(
                model=model,
                price=price,
                since=span.starts_at if span and price else None,
                cached_answer=cached.price if cached else None,
                changes_at=change if is_other else None,
                coming=coming.price if coming and is_other else None,
                state=states.get(model.pk, ModelState.UNKNOWN),
                speed=speeds.get(model.name),
                is_retired=model.retires_at is not None and model.retires_at <= now,
            )
        )
    return found


def chat_models(*, tenant: Tenant, now: dt.datetime) -> list[str]:
    """Return the names of the models that answer chats and that the tenant may call."""
    rows = callable_models(now=now).filter(tasks__contains=[Task.CHAT])
    priced = own_prices(tenant_id=tenant.pk, at=now)
    rows = rows.filter(name__in=priced).order_by("name")
    return list(rows.values_list("name", flat=True))


def coming_change(
    *, tenant: Tenant, now: dt.datetime
) -> tuple[dt.datetime, int] | None:
    """Return when prices change next and of how many models; None of no change.

    Cached answers' prices are their models': they are not counted apart.
    """
    change = next_change(tenant_id=tenant.pk, at=now)
    if change is None:
        return None
    before = own_prices(tenant_id=tenant.pk, at=now)
    after = own_prices(tenant_id=tenant.pk, at=change)
    changed = {
        name.removesuffix(MARK)
        for name in before.keys() | after.keys()
        if not is_same(before.get(name), after.get(name))
    }
    return (change, len(changed)) if changed else None
