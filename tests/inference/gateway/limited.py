"""Limits as they are published, and the budgets behind them, for the first tenant."""

from typing import Any

from kit.contracts import BudgetPlace
from tests.inference.gateway.running import RunningGateway


def row(kind: str, value: int, **more: Any) -> dict[str, Any]:
    """Return one limit of the tenant as its entry holds it."""
    return {
        "id": 1,
        "kind": kind,
        "unit": "",
        "window": "month",
        "currency": "",
        "level": "tenant",
        "model": "",
        "value": str(value),
        "hard": True,
        "ends_at": None,
        **more,
    }


def rate(unit: str, value: int, *, window: str = "minute") -> dict[str, Any]:
    """Return a rate limit."""
    return row("rate_limit", value, unit=unit, window=window)


def slots(value: int) -> dict[str, Any]:
    """Return a limit of concurrent requests."""
    return rate("concurrent_requests", value, window="")


def quota(gateway: RunningGateway, unit: str, limit: int) -> BudgetPlace:
    """Give the first tenant one monthly quota, and return its place."""
    return _limited(gateway, row("quota", limit, unit=unit), limit)


def budget(gateway: RunningGateway, picos: int) -> BudgetPlace:
    """Give the first tenant one monthly budget, and return its place."""
    return _limited(gateway, row("budget", picos, currency="USD"), picos)


def _limited(gateway: RunningGateway, limit: dict[str, Any], value: int) -> BudgetPlace:
    gateway.limit(limit)
    place = BudgetPlace(
        tenant_id=1,
        level="tenant",
        holder_id=1,
        kind=limit["kind"],
        unit=limit["unit"],
        window=limit["window"],
        model="",
        is_hard=True,
    )
    gateway.run(lambda: gateway.meter.budgets.limits.update({place: value}))
    return place
