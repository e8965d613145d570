"""Retire a served model at an instant that callers are told of before.

From then on gateways refuse its calls, and name what to call instead; by themselves,
each by PostgreSQL's clock, so nothing has to be done at that instant. Failure: what
would leave callers without an answer to "what instead" is an `InvalidRequest` that
says what to change, and nothing is written.
"""

import datetime as dt

from inference.control.models import ServedModel
from kit.errors import InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import change
from tenants.catalog import Retirement

AHEAD_MAX = dt.timedelta(days=3 * 366)


def plan_retirement(
    *,
    model: ServedModel,
    retires_at: dt.datetime,
    successor: ServedModel | None,
    now: dt.datetime,
) -> ServedModel:
    """Serve a model no longer from an instant on, in the place of what was planned.

    Raises `InvalidRequest` for an instant that is over or far away, and for a successor
    that is not offered, serves not all that the model does, or retires first.
    """
    if not now < retires_at <= now + AHEAD_MAX:
        raise InvalidRequest(
            "Name an instant that is to come, within three years. To stop it at once,"
            " disable it.",
            param="retires_at",
        )
    with atomic():
        row, successor = _locked(model, successor)
        if successor is not None and (said := _fault(row, successor, retires_at)):
            raise InvalidRequest(
                f"'{successor.name}' cannot take over from '{row.name}': {said}.",
                param="successor",
            )
        named = row.succeeds.filter(enabled=True, retires_at__gte=retires_at).first()
        if named is not None:
            raise InvalidRequest(
                f"'{row.name}' takes over from '{named.name}' later than that. Name"
                " another successor there first.",
                param="retires_at",
            )
        change(
            row,
            {"retires_at": retires_at, "successor": successor},
            action="plan_retirement",
        )
    return row


def call_off_retirement(*, model: ServedModel) -> ServedModel:
    """Serve a model for as long as it is enabled, also one that retired. Idempotent."""
    with atomic():
        row = ServedModel.objects.select_for_update().get(pk=model.pk)
        change(
            row,
            {"retires_at": None, "successor": None},
            action="call_off_retirement",
        )
    return row


def check_successor(row: ServedModel) -> None:
    """Refuse a change after which a model serves less than it takes over.

    Called with the model locked. Raises `InvalidRequest`.
    """
    for each in row.succeeds.filter(enabled=True).order_by("name"):
        if missing := _missing(each, row):
            raise InvalidRequest(
                f"'{row.name}' takes over from '{each.name}', which serves {missing}."
                " Name another successor there first.",
                param="tasks",
            )


def retirements() -> list[Retirement]:
    """Return which offered models retire or have retired, the soonest first."""
    rows = ServedModel.objects.filter(enabled=True, retires_at__isnull=False)
    return [
        Retirement(
            row.name, row.retires_at, row.takes_over.name if row.takes_over else ""
        )
        for row in rows.select_related("successor").order_by("retires_at", "name")
        if row.retires_at is not None
    ]


def _locked(
    model: ServedModel, successor: ServedModel | None
) -> tuple[ServedModel, ServedModel | None]:
    """Lock both as they are now: what takes over may change at the same moment."""
    keys = {each.pk for each in (model, successor) if each is not None}
    rows = ServedModel.objects.select_for_update().order_by("pk").in_bulk(keys)
    return rows[model.pk], None if successor is None else rows[successor.pk]


def _missing(row: ServedModel, other: ServedModel) -> str:
    """Return the tasks of a model that another one does not serve."""
    return ", ".join(sorted(set(row.tasks) - set(other.tasks)))


def _fault(row: ServedModel, other: ServedModel, retires_at: dt.datetime) -> str:
    """Say why one model cannot take over from another; empty where it can."""
    if other.pk == row.pk:
        return "they are one"
    if not other.enabled:
        return "it is disabled"
    if missing := _missing(row, other):
        return f"it does not serve {missing}"
    if other.retires_at is not None and other.retires_at <= retires_at:
        return "it does not outlast it"
    return ""
