"""Cost rates and times of replicas for tests."""

import datetime as dt
import itertools
from typing import Any

from kit.money import picos_from_decimal
from kit.orm.roles import as_operator
from metering.economics import services
from metering.economics.models import CostRate, ReplicaSpan

_numbers = itertools.count(1)
LONG_AGO = dt.date(2026, 1, 1)


def make_rate(
    amount: str | None = "2.00",
    *,
    level: str = CostRate.Level.ALL,
    subject: str = "",
    starts_on: dt.date = LONG_AGO,
    currency: str = "USD",
    **more: Any,
) -> CostRate:
    """Enter what an hour of a replica costs."""
    with as_operator():
        return services.add_rate(
            level=level,
            subject=subject,
            starts_on=starts_on,
            currency=currency,
            picos_per_hour=None if amount is None else picos_from_decimal(amount),
            **more,
        )


def make_span(
    *,
    model: str,
    starts_at: dt.datetime,
    until: dt.datetime,
    name: str | None = None,
    adapters: tuple[str, ...] = (),
    engine: str = "vllm",
) -> ReplicaSpan:
    """Say that a replica of a model was there for a time that is over."""
    number = next(_numbers)
    with as_operator():
        return ReplicaSpan.objects.create(
            replica_id=number,
            name=name or f"replica-{number}",
            model=model,
            answers_to=[model, *adapters],
            engine=engine,
            starts_at=starts_at,
            until=until,
            is_open=False,
        )
