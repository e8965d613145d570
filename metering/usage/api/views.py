"""Usage over HTTP: parse the question, ask the selector, render the answer.

The finance page asks the same selector, so both show the same numbers. Failure: what
makes no sense is a 400 that names the parameter.
"""

import datetime as dt
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kit.acting import Actor
from kit.drf.problems import CONTENT_TYPE
from kit.drf.views import ManagementView
from kit.errors import PermissionDenied
from kit.scopes import Scope
from metering.usage import selectors
from metering.usage.api import serializers as wire
from metering.usage.api.examples import ANSWER, QUESTIONS, REFUSALS
from metering.usage.report import Measures
from metering.usage.selectors import Dimension, UsageQuery, UsageReport, UsageRow
from tenants.selectors import tenant as tenant_by_id

_COUNTS = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
)
# What a row says of each dimension: our word for it, and the field of the row's group.
_KEYS = {
    Dimension.DAY: (("day", "day"),),
    Dimension.HOUR: (("hour", "hour"),),
    Dimension.MINUTE: (("minute", "minute"),),
    Dimension.TENANT: (("tenant", "tenant"), ("tenant_id", "tenant_id")),
    Dimension.PROJECT: (("project", "project"), ("project_id", "project_id")),
    Dimension.KEY: (("key", "api_key"), ("key_id", "api_key_id")),
    Dimension.MEMBER: (("member", "member"), ("member_id", "member_id")),
    Dimension.MODEL: (("model", "model"),),
}


class UsageView(ManagementView):
    """What was used and what it costs."""

    scopes: ClassVar = {
        "get": Scope.USAGE_READ,
    }

    @extend_schema(
        operation_id="read_usage",
        parameters=[wire.UsageFilters],
        responses={200: wire.UsageOutput, (400, CONTENT_TYPE): REFUSALS},
        examples=[*QUESTIONS, ANSWER],
    )
    def get(self, request: Request) -> Response:
        """Report usage between two instants, divided by what `group_by` names.

        Rows come in the order day, hour, minute, tenant, project, key, member, model,
        currency; a group without usage has none. Each is in one currency.

        **Days** are the tenant's billing days, those of UTC where several tenants are
        asked about. **Hours and minutes** are those of UTC, named by the instant at
        which they begin. With `day` and `hour` together, an hour in which a billing day
        begins has a row for each of its two days.

        **How far back**: whole days, and hours by tenant or model, are answered for a
        range of any length. What is counted from single events reaches over at most 31
        days: `minute`; `hour` with `project`, `key` or `member`, also as filters; a
        range that begins or ends inside a day, unless it is divided by `hour` or is
        about several tenants without `project`, `key` or `member`; `day` with `hour`
        for a tenant whose days begin inside an hour of UTC. An answer has at most
        10,000 rows.

        A **member's** use is that of the keys that are theirs now; what keys of nobody
        used has no member. To divide by member takes `members:read` too.

        **Whose**: a tenant's token is answered about its tenant, in its billing days;
        that of a member who is kept to projects about those alone.

        **How fresh**: everything admitted before `complete_to` is in the answer,
        whether or not it has been rolled up.
        """
        now = selectors.database_now()
        query = _query(self.parse_query(wire.UsageFilters), self.actor, now)
        report = selectors.usage(query, now=now)
        # What is counted now is not what is counted in a minute.
        headers = {"Cache-Control": "no-store"}
        return Response(_answer(report, query), headers=headers)


def _query(asked: dict[str, Any], actor: Actor, now: dt.datetime) -> UsageQuery:
    if Dimension.MEMBER in asked.get("group_by", ()):
        _require_names(actor)
    tenant = asked.get("tenant")
    if tenant is None and actor.tenant_id is not None:
        # Whoever can ask about one tenant only, asks about that one.
        tenant = tenant_by_id(actor.tenant_id)
    if "start" not in asked or "end" not in asked:
        first, end = selectors.billing_month(now=now, tenant=tenant)
        asked = {"start": first, "end": end, **asked}
    return UsageQuery(
        start=asked["start"],
        end=asked["end"],
        group_by=asked.get("group_by", ()),
        tenant_id=tenant.pk if tenant else None,
        project_id=asked.get("project"),
        api_key_id=asked.get("key"),
        member_id=asked.get("member"),
        model=asked.get("model"),
        reach=actor.project_ids,
    )


def _require_names(actor: Actor) -> None:
    """Raise unless whoever asks may read what members are called."""
    if not actor.may(Scope.MEMBERS_READ):
        raise PermissionDenied(
            f"To divide by member takes the right {Scope.MEMBERS_READ} beside"
            f" {Scope.USAGE_READ}.",
            param="group_by",
        )


def _answer(report: UsageReport, query: UsageQuery) -> dict[str, Any]:
    totals = [_measures(total) for total in report.totals]
    return {
        "data": [_row(row, query.group_by) for row in report.rows],
        "total": totals[0] if len(totals) == 1 else _without_money(totals),
        "totals": totals,
        "start": _instant(report.start),
        "end": _instant(report.end),
        "complete_to": _instant(report.complete_to),
    }


def _row(row: UsageRow, group_by: tuple[Dimension, ...]) -> dict[str, Any]:
    keys = {
        shown: _key(getattr(row.group, field))
        for dimension in group_by
        for shown, field in _KEYS[dimension]
    }
    return {**keys, **_measures(row)}


def _key(value: Any) -> Any:
    return _instant(value) if isinstance(value, dt.datetime) else value


def _measures(row: Measures) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in _COUNTS},
        "charge_picos": str(row.charge_picos),
        "charge": row.charge,
        "currency": row.currency,
    }


def _without_money(totals: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum the counts: of no currency the charge is zero, of several there is none."""
    nothing = not totals
    return {
        **{name: sum(total[name] for total in totals) for name in _COUNTS},
        "charge_picos": "0" if nothing else None,
        "charge": "0.00" if nothing else None,
        "currency": None,
    }


def _instant(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
