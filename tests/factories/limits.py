"""Plans and limits for tests, made by services as the operator role."""

import datetime as dt
import itertools
from typing import Any

from kit.orm.roles import as_operator
from tenants import services
from tenants.models import Budget, Plan, Quota, RateLimit
from tenants.services import Holder

_numbers = itertools.count(1)
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def make_plan(*, slug: str | None = None, is_default: bool = False) -> Plan:
    """Create a plan."""
    number = next(_numbers)
    with as_operator():
        return services.create_plan(
            slug=slug or f"plan-{number}",
            name=f"Plan {number}",
            is_default=is_default,
        )


def make_rate_limit(
    value: int = 100, *, now: dt.datetime = NOW, level: str | None = None, **given: Any
) -> RateLimit:
    """Set requests per minute for the `plan`, `tenant`, `project` or `api_key`."""
    holder, terms = _split(given, level)
    terms = {"unit": "requests", "window": "minute", **terms}
    with as_operator():
        return services.create_rate_limit(holder=holder, now=now, value=value, **terms)


def make_quota(
    value: int = 1000, *, now: dt.datetime = NOW, level: str | None = None, **given: Any
) -> Quota:
    """Set tokens per day for whom is given."""
    holder, terms = _split(given, level)
    terms = {"unit": "tokens", "window": "day", **terms}
    with as_operator():
        return services.create_quota(holder=holder, now=now, value=value, **terms)


def make_budget(
    amount_picos: int = 10**13,
    *,
    now: dt.datetime = NOW,
    level: str | None = None,
    **given: Any,
) -> Budget:
    """Set money per month for whom is given."""
    holder, terms = _split(given, level)
    terms = {"window": "month", **terms}
    with as_operator():
        return services.create_budget(
            holder=holder, now=now, amount_picos=amount_picos, **terms
        )


def _split(given: dict[str, Any], level: str | None) -> tuple[Holder, dict[str, Any]]:
    """Tell whom a limit is for from what it says."""
    whom = {"plan", "tenant", "project", "api_key"}
    holder = Holder.of(level=level, **{k: v for k, v in given.items() if k in whom})
    return holder, {k: v for k, v in given.items() if k not in whom}
