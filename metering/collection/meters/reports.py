"""Reports of what a meter took and did not count after all.

Meters look at some of what they are told only later. What a report names is parked with
its reason; the others, which it only counts, keep the report itself from being done
with, so that people look.

Failure: `Unnamed`, which parks the report in the end. What is no event of ours is
somebody else's.
"""

import datetime as dt
import re

from metering.collection.models import MeterEvent
from metering.collection.models.following import TEXT_CHARS_MAX
from metering.collection.providing import client_of
from metering.inbox.handlers import handles

# As `noting_sql` writes them; a call's key has its attempt behind that.
_IDENTIFIER = re.compile(
    r"(?P<whole>(?P<tenant>\d{1,18})-\d+:(?P<counted>[a-z_]+)"
    r":(?P<hour>\d{8}T\d{2}):(?P<seq>\d{1,9}))(?:/\d+)?"
)

State = MeterEvent.State


class Unnamed(Exception):
    """A meter did not count events that the report does not name."""


@handles("v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found")
def not_counted(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Park the events that a report names; raises `Unnamed` for the others."""
    report = client_of(account).events.report(object_id)
    for identifier, why in report.named:
        _park(account, identifier, why)
    others = report.count - len(report.named)
    if others > 0 or not report.named:
        raise Unnamed(
            f"Not counted, and not named: {max(others, 1):,}. {report.summary}"
        )


def _park(account: str, identifier: str, why: str) -> None:
    found = _IDENTIFIER.fullmatch(identifier)
    if found is None:
        return
    try:
        hour = dt.datetime.strptime(found["hour"], "%Y%m%dT%H").replace(tzinfo=dt.UTC)
    except ValueError:
        return
    MeterEvent.objects.filter(
        account=account,
        tenant_id=int(found["tenant"]),
        counted=found["counted"],
        hour=hour,
        seq=int(found["seq"]),
        identifier=found["whole"],
        state=State.TOLD,
    ).update(state=State.PARKED, problem=f"Not counted: {why}"[:TEXT_CHARS_MAX])
