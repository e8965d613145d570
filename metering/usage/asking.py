"""What the statements of reports are asked with, and what a row of theirs says.

Failure: a question that makes no sense or costs too much raises `InvalidRequest`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metering.usage.question import Scope, scope_of
from metering.usage.report import Dimension, Group, UsageQuery, UsageRow
from metering.usage.report_sql import USAGE
from metering.usage.rollup import BATCH_EVENTS, CAUGHT_UP_BATCHES_MAX
from metering.usage.totals import LAG_MAX, totals_lag, totals_parameters
from metering.usage.totals_sql import TOTALS

# So many events by which hours lag are read one by one: a run of the roller takes them.
HOURS_LAG_MAX = CAUGHT_UP_BATCHES_MAX * BATCH_EVENTS


@dataclass(frozen=True, slots=True)
class Asking:
    """A question as the database is asked it, and the scope that it came to."""

    statement: str
    parameters: dict[str, Any]
    scope: Scope


def asking(query: UsageQuery, *, limit: int | None) -> Asking:
    """Return the statement that answers a question; without a `limit` all its rows.

    Raises `InvalidRequest`.
    """
    source = query.source
    if source in TOTALS and totals_lag() > LAG_MAX:
        source = query.source_without_totals
    scope = scope_of(query, source=source)
    statement = TOTALS[source] if source in TOTALS else USAGE[source, query.names_keys]
    asked = _parameters(query, scope, limit) | totals_parameters(query, scope)
    return Asking(statement, asked, scope)


def _parameters(query: UsageQuery, scope: Scope, limit: int | None) -> dict[str, Any]:
    """Return what the statements of `report_sql` are asked with."""
    by_day = Dimension.DAY in query.group_by
    by_member = Dimension.MEMBER in query.group_by
    return {
        "start": scope.start,
        "end": scope.end,
        "utc": by_day and scope.tenant is None,
        "billing": by_day and scope.tenant is not None,
        "tenant": scope.tenant.pk if scope.tenant else None,
        "project": query.project_id,
        "key": query.api_key_id,
        "member": query.member_id,
        "of_members": by_member or query.member_id is not None,
        "tenants": None if query.tenants is None else sorted(query.tenants),
        "among": None
        if query.among is None
        else [_name(query, each) for each in query.among],
        "reach": None if query.reach is None else sorted(query.reach),
        "model": query.model,
        "limit": limit,
        "hours_lag_max": HOURS_LAG_MAX,
        **{f"by_{each}": each in query.group_by for each in Dimension},
    }


def _name(query: UsageQuery, group: Group) -> str:
    """Return what the statements tell a group by; a model's name stands last."""
    told = (
        (Dimension.TENANT, group.tenant_id),
        (Dimension.PROJECT, group.project_id),
        (Dimension.KEY, group.api_key_id),
        (Dimension.MEMBER, group.member_id),
        (Dimension.MODEL, group.model),
    )
    return "|".join(
        f"{value}" if each in query.group_by and value is not None else ""
        for each, value in told
    )


def row_of(values: Sequence[Any]) -> UsageRow:
    """Return a row as the statements answer it."""
    return UsageRow(
        group=Group(
            day=values[0],
            hour=values[1],
            minute=values[2],
            tenant_id=values[3],
            tenant=values[4],
            project_id=values[5],
            project=values[6],
            api_key_id=values[7],
            api_key=values[8],
            member_id=values[9],
            member=values[10],
            model=values[11],
            is_told=values[19],
        ),
        currency=values[12],
        requests=int(values[13]),
        input_tokens=int(values[14]),
        cached_input_tokens=int(values[15]),
        output_tokens=int(values[16]),
        reasoning_tokens=int(values[17]),
        charge_picos=int(values[18]),
    )
