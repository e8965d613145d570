"""Reports of what meters took and did not count: events of API v2, read or listed."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict
from urllib.parse import urlencode

from stripe.params.v2 import core as sdk

from tests.standins.stripe.account import Account, Json, created_in
from tests.standins.stripe.errors import missing
from tests.standins.stripe.routes import Route, on_account, on_object_alone

KIND = "v2.core.event"
SAMPLES_MAX = 10
LIMIT_MAX = 100
_TIMES = "%Y-%m-%dT%H:%M:%S.000Z"


def report(
    account: Account, meter: Json | None, refused: Sequence[tuple[str, str]], code: str
) -> Json:
    """Take uses away that were told, and return the notice that a webhook brings.

    `refused` names each by its identifier and by what the report calls it.
    """
    gone = {identifier for identifier, _ in refused}
    for uses in account.uses.values():
        uses[:] = [use for use in uses if use.identifier not in gone]
    samples = [
        {"error_message": f"Error {code}.", "request": {"identifier": named}}
        for _, named in refused[:SAMPLES_MAX]
    ]
    reason = {
        "error_count": len(refused),
        "error_types": [
            {"code": code, "error_count": len(refused), "sample_errors": samples}
        ],
    }
    kind = "error_report_triggered" if meter else "no_meter_found"
    url = f"/v1/billing/meters/{meter['id']}" if meter else ""
    notice: Json = {
        "id": account.new_id("evt"),
        "object": KIND,
        "created": f"{dt.datetime.fromtimestamp(account.now(), tz=dt.UTC):{_TIMES}}",
        "livemode": account.livemode,
        "context": None,
        "type": f"v1.billing.meter.{kind}",
    }
    if meter:
        notice["related_object"] = {
            "id": meter["id"],
            "type": "billing.meter",
            "url": url,
        }
    account.rows[KIND][notice["id"]] = notice | {
        "data": {
            "developer_message_summary": f"There were {len(refused)} invalid events.",
            "reason": reason,
            "validation_start": "2026-11-22T11:00:00.000Z",
            "validation_end": "2026-11-22T12:00:00.000Z",
        }
    }
    return notice


def retrieve(account: Account, reference: str) -> Json:
    """Return an event with what it tells."""
    row = account.rows[KIND].get(reference)
    if row is None:
        raise missing("event", reference)
    return row


class ListParams(TypedDict):
    """What a list is asked for, and the page of it that its own link names."""

    created: NotRequired[sdk.EventListParamsCreated]
    limit: NotRequired[int]
    types: NotRequired[list[str]]
    page: NotRequired[str]


def listed(account: Account, params: Json) -> Json:
    """Return a page of events, newest first, and where the next one is."""
    rows = [
        row
        for row in reversed(account.rows[KIND].values())
        if row["type"] in params.get("types", [row["type"]])
        and created_in(row, params.get("created"))
    ]
    start = int(params.get("page", "0"))
    end = start + min(params.get("limit", 20), LIMIT_MAX)
    thin = [{k: v for k, v in row.items() if k != "data"} for row in rows[start:end]]
    asked = {name: value for name, value in params.items() if name != "page"}
    query = urlencode(_flat(asked | {"page": end}))
    more = f"/v2/core/events?{query}" if end < len(rows) else None
    return {"data": thin, "next_page_url": more, "previous_page_url": None}


def _flat(params: Json) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in params.items():
        if isinstance(value, dict):
            found += [(f"{name}[{key}]", each) for key, each in value.items()]
        elif isinstance(value, list):
            found += [(f"{name}[{n}]", each) for n, each in enumerate(value)]
        else:
            found.append((name, value))
    return found


ROUTES = (
    Route("GET", "/v2/core/events", ListParams, on_account(listed)),
    Route(
        "GET",
        "/v2/core/events/{id}",
        sdk.EventRetrieveParams,
        on_object_alone(retrieve),
    ),
)
