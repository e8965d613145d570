"""Events: what Stripe says has happened, as far as it is a hint of what to read.

Failure: `Unreadable` for what is no event; see `transport` for calls.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from stripe import params as sdk
from stripe.params.v2 import core as sdk_v2

from kit.json_values import JsonObject, is_object
from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    two_kinds_of_failure,
)

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_TYPE = re.compile(r"[a-z0-9_.\[\]]{1,100}")
_VERSION = re.compile(r"[A-Za-z0-9_.-]{1,40}")
# Of the year 2200: what is beyond is no time of an event.
_SECONDS_MAX = 7_258_118_400
_THIN = "v2.core.event"
# Of these nothing else says what was wrong: the event itself is what is read again.
REPORTS = ("v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found")


class Unreadable(ValueError):
    """It is not an event; says why."""


@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """That something happened to an object.

    `account` is the connected account whose it is, or nothing for the key's own. Thin
    events are of no `api_version`. `changed` names what of the object changed, `marks`
    what its metadata has; None where it does not say.
    """

    reference: str
    type: str
    object_id: str
    created_at: dt.datetime
    is_live: bool
    account: str
    api_version: str
    changed: frozenset[str] | None = None
    marks: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, the latest first; `after` is where the next page begins, if any.

    What could not be read as an event is counted.
    """

    events: tuple[RemoteEvent, ...]
    unreadable: int
    after: str


@dataclass(frozen=True, slots=True)
class RemoteReport:
    """What a meter did not count of what it took: so many events, and some of them.

    Each is named by what its call was, or by its identifier, with the reason.
    """

    summary: str
    count: int
    named: tuple[tuple[str, str], ...]


class Events(Subject):
    """Calls about events."""

    @two_kinds_of_failure
    def report(self, reference: str) -> RemoteReport:
        """Return what an event tells that a meter did not count."""
        found = self._transport.sdk.v2.core.events.retrieve(reference).to_dict()
        data = found.get("data") or {}
        reason = data.get("reason") or {}
        return RemoteReport(
            summary=str(data.get("developer_message_summary") or found["type"]),
            count=int(reason.get("error_count") or 0),
            named=tuple(
                (str(each["request"]["identifier"]), str(each["error_message"]))
                for kind in reason.get("error_types") or ()
                for each in kind.get("sample_errors") or ()
            ),
        )

    @two_kinds_of_failure
    def page(
        self, *, since: dt.datetime, until: dt.datetime | None = None, after: str = ""
    ) -> EventPage:
        """Return a page of what happened from `since` on, and before `until`."""
        created: sdk.EventListParamsCreated = {"gte": int(since.timestamp())}
        if until is not None:
            created["lt"] = int(until.timestamp())
        params: sdk.EventListParams = {"created": created, "limit": PAGE_ROWS}
        if after:
            params["starting_after"] = after
        listed = self._v1.events.list(params)
        after = listed.data[-1].id if listed.data and listed.has_more else ""
        return _page_of([row.to_dict() for row in listed.data], after=after)

    @two_kinds_of_failure
    def reports(
        self, *, since: dt.datetime, until: dt.datetime | None = None
    ) -> EventPage:
        """Return the reports of meters made from `since` on, and before `until`.

        They are thin events, which the list of the others does not have.
        """
        created: sdk_v2.EventListParamsCreated = {"gte": _written(since)}
        if until is not None:
            created["lt"] = _written(until)
        params: sdk_v2.EventListParams = {
            "created": created,
            "types": list(REPORTS),
            "limit": PAGE_ROWS,
        }
        listed = self._transport.sdk.v2.core.events.list(params)
        return _page_of([row.to_dict() for row in listed.auto_paging_iter()])


def _page_of(rows: Sequence[object], *, after: str = "") -> EventPage:
    events = []
    for row in rows:
        try:
            events.append(event_of(row))
        except Unreadable:
            continue
    return EventPage(tuple(events), len(rows) - len(events), after)


def _written(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def event_in(payload: bytes) -> RemoteEvent:
    """Return the event that a webhook's body tells of; raises `Unreadable`."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise Unreadable("It is not JSON.") from None
    return event_of(found)


def event_of(found: object) -> RemoteEvent:
    """Return the event that an object is; raises `Unreadable`."""
    if not is_object(found):
        raise Unreadable("It is not an object.")
    is_thin = found.get("object") == _THIN
    if not is_thin and found.get("object") != "event":
        raise Unreadable("It is not an event.")
    is_live = found.get("livemode")
    if not isinstance(is_live, bool):
        raise Unreadable("It does not say whether it is live.")
    data = found.get("data")
    thing = found.get("related_object") if is_thin else _within(data, "object")
    if is_thin and found.get("type") in REPORTS:
        thing = found
    return RemoteEvent(
        reference=_text(found, "id", _ID),
        type=_text(found, "type", _TYPE),
        object_id=_id_in(thing),
        created_at=_instant(found.get("created")),
        is_live=is_live,
        account=_optional(found, "context" if is_thin else "account", _ID),
        api_version="" if is_thin else _text(found, "api_version", _VERSION),
        changed=_names_in(_within(data, "previous_attributes")),
        marks=_names_in(_within(thing, "metadata")),
    )


def _within(found: object, name: str) -> object:
    return found.get(name) if is_object(found) else None


def _names_in(found: object) -> frozenset[str] | None:
    return frozenset(found) if is_object(found) else None


def _id_in(found: object) -> str:
    """Return an object's id; some have none, and of some it is anybody's own text."""
    value = found.get("id") if is_object(found) else None
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _text(found: JsonObject, name: str, pattern: re.Pattern[str]) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Unreadable(f"Its {name} is missing, or none.")
    return value


def _optional(found: JsonObject, name: str, pattern: re.Pattern[str]) -> str:
    return "" if found.get(name) is None else _text(found, name, pattern)


def _instant(value: object) -> dt.datetime:
    if isinstance(value, bool):
        raise Unreadable("Its created is none.")
    if isinstance(value, int) and 0 <= value <= _SECONDS_MAX:
        return dt.datetime.fromtimestamp(value, tz=dt.UTC)
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            raise Unreadable("Its created is none.") from None
        if moment.tzinfo is not None:
            return moment
    raise Unreadable("Its created is missing, or none.")
