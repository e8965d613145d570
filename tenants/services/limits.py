"""Writes of limits: set one, change it, end it.

Operators set limits of plans, tenants, projects and keys. A tenant sets limits of its
own beside theirs, which can only lower what it may use, and touches none of theirs:
row-level security says so too. Nothing is deleted: what ended stays to be read.

Failure: what makes no sense is an `InvalidRequest` that names the field; a second limit
at the same place, or a change of one that has ended, is a `Conflict`; what is not the
tenant's to change is a `PermissionDenied`.
"""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Required, TypedDict, TypeVar, Unpack

from kit.acting import current
from kit.errors import Conflict, InvalidRequest, PermissionDenied
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from tenants.models import Budget, Limit, Quota, RateLimit, SetBy
from tenants.services.limit_holders import Holder, set_by

AnyLimit = TypeVar("AnyLimit", bound=Limit)

_CURRENCY = re.compile(r"[A-Z]{3}")


class _Terms(TypedDict, total=False):
    model: str
    is_hard: bool
    ends_at: dt.datetime | None


class RateLimitTerms(_Terms, total=False):
    """What a rate limit says; concurrent requests have no window."""

    unit: Required[str]
    value: Required[int]
    window: str


class QuotaTerms(_Terms, total=False):
    """What a quota says; `warn_at` are percents, ascending."""

    unit: Required[str]
    window: Required[str]
    value: Required[int]
    warn_at: Sequence[int]


class BudgetTerms(_Terms, total=False):
    """What a budget says; its currency is the tenant's, a plan's names one."""

    window: Required[str]
    amount_picos: Required[int]
    currency: str
    warn_at: Sequence[int]


class LimitChanges(TypedDict, total=False):
    """What may change of a limit: not whom it is for, nor what it counts."""

    value: int
    amount_picos: int
    is_hard: bool
    warn_at: Sequence[int]
    ends_at: dt.datetime | None


def create_rate_limit(
    *, holder: Holder, now: dt.datetime, **terms: Unpack[RateLimitTerms]
) -> RateLimit:
    """Set how fast a holder may go.

    Raises `InvalidRequest`, `Conflict` or `PermissionDenied`.
    """
    row = RateLimit(**terms)
    is_at_a_time = row.unit == RateLimit.Unit.CONCURRENT_REQUESTS
    if is_at_a_time and row.window:
        raise InvalidRequest(
            "Concurrent requests are counted at a time: leave the window out.",
            param="window",
        )
    if not is_at_a_time and not row.window:
        raise InvalidRequest(
            "Give a window: second, minute, hour or day.", param="window"
        )
    return _create(row, holder, now=now)


def create_quota(
    *, holder: Holder, now: dt.datetime, **terms: Unpack[QuotaTerms]
) -> Quota:
    """Set how many tokens a holder may use in a window.

    Raises `InvalidRequest`, `Conflict` or `PermissionDenied`.
    """
    return _create(Quota(**terms), holder, now=now)


def create_budget(
    *, holder: Holder, now: dt.datetime, **terms: Unpack[BudgetTerms]
) -> Budget:
    """Set how much money a holder may spend in a window.

    Raises `InvalidRequest`, `Conflict` or `PermissionDenied`.
    """
    row = Budget(**terms)
    row.currency = _currency(holder, row.currency)
    return _create(row, holder, now=now)


def change_limit(
    *, limit: AnyLimit, now: dt.datetime, **changes: Unpack[LimitChanges]
) -> AnyLimit:
    """Change what a limit says; it holds from this moment on.

    Raises `Conflict` when it has ended, `PermissionDenied` when it is not the tenant's.
    """
    with atomic():
        row = _locked(limit)
        if row.ended_at is not None or _is_past(row.ends_at, now):
            raise Conflict("The limit has ended and cannot change. Set another one.")
        _refuse_nonsense(row, changes, now=now)
        _lapse(row, ends_at=changes.get("ends_at", row.ends_at), now=now)
        _explained(row, lambda: change(row, dict(changes)))
    return row


def end_limit(*, limit: AnyLimit, now: dt.datetime) -> AnyLimit:
    """End a limit for good. Idempotent: the first instant stays.

    Raises `PermissionDenied` when it is not the tenant's to end.
    """
    with atomic():
        row = _locked(limit)
        if row.ended_at is None:
            change(row, {"ended_at": now}, action="end")
    return row


def _create(row: AnyLimit, holder: Holder, *, now: dt.datetime) -> AnyLimit:
    row.set_by = set_by(current(), holder)
    holder.refuse_closed()
    holder.hold(row)
    terms: LimitChanges = {"warn_at": row.warn_at, "ends_at": row.ends_at}
    _refuse_nonsense(row, terms, now=now)
    with atomic():
        _lapse(row, ends_at=row.ends_at, now=now)
        _explained(row, lambda: create(row))
    return row


def _locked(limit: AnyLimit) -> AnyLimit:
    """Lock a limit that the actor may change."""
    if not current().is_operator and limit.set_by != SetBy.TENANT:
        raise PermissionDenied(
            "The operators have set this limit, and only they change or end it. Set a"
            " lower one of your own beside it, or ask them for more.",
            code="operators_limit",
        )
    rows = type(limit)._default_manager.select_for_update(no_key=True)
    return rows.get(pk=limit.pk)


def _lapse(row: Limit, *, ends_at: dt.datetime | None, now: dt.datetime) -> None:
    """End what has run out at the same place, which only its row still takes."""
    if ends_at is None:
        return
    place = ("plan", "tenant", "project", "api_key", "level", "set_by", "model")
    what = ("unit", "window", "currency", "is_hard")
    names = [name for name in (*place, *what) if hasattr(row, name)]
    run_out = (
        type(row)
        ._default_manager.select_for_update(no_key=True)
        .filter(
            **{name: getattr(row, name) for name in names},
            ended_at=None,
            ends_at__lte=now,
        )
    )
    for each in run_out:
        change(each, {"ended_at": each.ends_at}, action="lapse")


def _refuse_nonsense(row: Limit, terms: LimitChanges, *, now: dt.datetime) -> None:
    """Refuse what no single field's form forbids."""
    warn_at = list(terms.get("warn_at", ()))
    if warn_at and isinstance(row, RateLimit):
        raise InvalidRequest(
            "A rate limit is a flow, of which there is no share to warn at.",
            param="warn_at",
        )
    if warn_at != sorted(set(warn_at)):
        raise InvalidRequest(
            "Give percents in ascending order, each once, such as 50, 80, 95.",
            param="warn_at",
        )
    if _is_past(terms.get("ends_at"), now):
        raise InvalidRequest("Give an end in the future.", param="ends_at")


def _currency(holder: Holder, given: str) -> str:
    """Return the currency of a budget: the tenant's, or the one a plan's names."""
    if holder.tenant is not None:
        if given not in ("", holder.tenant.currency):
            raise InvalidRequest(
                f"The tenant pays in {holder.tenant.currency}: give the amount in it.",
                param="currency",
            )
        return holder.tenant.currency
    if not _CURRENCY.fullmatch(given):
        raise InvalidRequest(
            "Give the currency, an ISO 4217 code such as USD: the budget holds for the"
            " plan's tenants that pay in it.",
            param="currency",
        )
    return given


def _explained(row: Limit, write: Callable[[], None]) -> None:
    """Write; say of a place that is taken what to do about it."""
    try:
        write()
    except Conflict:
        span = "until a date" if row.ends_at else "for good"
        kind = row._meta.verbose_name
        raise Conflict(
            f"There is such a {kind} {span} already: change that one, or end it."
        ) from None


def _is_past(instant: dt.datetime | None, now: dt.datetime) -> bool:
    return instant is not None and instant <= now
