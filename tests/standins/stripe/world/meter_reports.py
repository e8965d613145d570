"""Reports of what meters took and did not count: events of API v2, read by their id."""

from collections.abc import Sequence

from stripe.params.v2 import core as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import missing
from tests.standins.stripe.routes import Route, on_object_alone

KIND = "v2.core.event"
SAMPLES_MAX = 10


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
        "created": "2026-11-22T12:00:00.000Z",
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


ROUTES = (
    Route(
        "GET",
        "/v2/core/events/{id}",
        sdk.EventRetrieveParams,
        on_object_alone(retrieve),
    ),
)
