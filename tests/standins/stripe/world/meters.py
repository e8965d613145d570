"""Billing meters: how much a customer used, told in events that count once.

An identifier is taken for a day, and told apart from an idempotency key: the same event
again is refused with 400. Values are whole numbers; times lie in the last 35 days.
"""

from collections.abc import Iterator
from typing import Any

from stripe.params import billing as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import ApiError, invalid, refused
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world.objects import found, heed, listed, made, new, update
from tests.standins.stripe.world.uses import Use

KIND = "billing.meter"
DAY_S = 86_400
PAST_S, AHEAD_S = 35 * DAY_S, 5 * 60
DIGITS_MAX = 15
_WINDOWS = {"hour": 3600, "day": DAY_S}


def create(account: Account, params: Json) -> Json:
    """Make a meter."""
    heed(
        params,
        "customer_mapping default_aggregation display_name event_name"
        " event_time_window value_settings",
    )
    if _active(account, params["event_name"]) is not None:
        raise refused(
            "A meter with this event name already exists.", param="event_name"
        )
    mapping = {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    meter = new(
        account,
        KIND,
        customer_mapping=params.get("customer_mapping", mapping),
        default_aggregation=params["default_aggregation"],
        display_name=params["display_name"],
        event_name=params["event_name"],
        event_time_window=params.get("event_time_window"),
        updated=account.now(),
        value_settings=params.get("value_settings", {"event_payload_key": "value"}),
    )
    account.emit("billing.meter.created", meter)
    return meter


def change(account: Account, reference: str, params: Json) -> Json:
    """Rename a meter."""
    heed(params, "display_name")
    meter = found(account, KIND, reference)
    name = params.get("display_name", meter["display_name"])
    return update(account, meter, display_name=name, updated=account.now())


def deactivate(account: Account, reference: str) -> Json:
    """Let a meter take no events."""
    return _switch(account, reference, "inactive", "deactivated", account.now())


def reactivate(account: Account, reference: str) -> Json:
    """Let a meter take events again."""
    return _switch(account, reference, "active", "reactivated", None)


def retrieve(account: Account, reference: str) -> Json:
    """Return a meter."""
    return found(account, KIND, reference)


def search(account: Account, params: Json) -> Json:
    """Return a page of meters, newest first."""
    heed(params, "status")
    rows = list(listed(account, KIND, params, by="status"))
    return page(rows, params, url="/v1/billing/meters")


def record(account: Account, params: Json) -> Json:
    """Count an event, once for its identifier."""
    heed(params, "event_name identifier payload timestamp")
    meter = _active(account, params["event_name"])
    if meter is None:
        raise refused(
            f"No active meter found for event name {params['event_name']}.",
            param="event_name",
        )
    now = account.now()
    use = _use(account, meter, params, now)
    taken = account.meter_identifiers.get(use.identifier)
    if taken is not None and now - taken < DAY_S:
        raise refused(
            f"An event already exists with identifier {use.identifier}.",
            param="identifier",
        )
    account.meter_identifiers[use.identifier] = now
    account.uses[meter["id"]].append(use)
    return made(
        account,
        "billing.meter_event",
        event_name=params["event_name"],
        identifier=use.identifier,
        payload=dict(params["payload"]),
        timestamp=use.at,
    )


def adjust(account: Account, params: Json) -> Json:
    """Take an event of the last day back."""
    heed(params, "cancel event_name type")
    meter = _active(account, params["event_name"])
    identifier = params.get("cancel", {}).get("identifier")
    uses = account.uses[meter["id"]] if meter else []
    wanted = [use for use in uses if use.identifier == identifier]
    if not wanted or account.now() - wanted[-1].told_at > DAY_S:
        raise refused("There is no such event of the last 24 hours.", param="cancel")
    uses.remove(wanted[-1])
    return made(
        account,
        "billing.meter_event_adjustment",
        cancel={"identifier": identifier},
        event_name=params["event_name"],
        status="complete",
        type="cancel",
    )


def summaries(account: Account, reference: str, params: Json) -> Json:
    """Return what a customer used, in one row or by hour or day, latest first."""
    heed(params, "customer end_time start_time value_grouping_window")
    meter = found(account, KIND, reference)
    account.customer(params["customer"], param="customer")
    if params["start_time"] % 60 or params["end_time"] % 60:
        raise invalid("Times must be aligned with minute boundaries.")
    rows = list(_summed(account, meter, params))
    url = f"/v1/billing/meters/{reference}/event_summaries"
    return page(rows[::-1], params, url=url)


def _summed(account: Account, meter: Json, params: Json) -> Iterator[Json]:
    start, end = params["start_time"], params["end_time"]
    step = _WINDOWS.get(params.get("value_grouping_window", ""), max(1, end - start))
    uses = [u for u in account.uses[meter["id"]] if u.customer == params["customer"]]
    for begin in range(start, end, step):
        until = min(end, begin + step)
        inside = [use for use in uses if begin <= use.at < until]
        if not inside and step != end - start:
            continue
        yield made(
            account,
            "billing.meter_event_summary",
            aggregated_value=_aggregated(meter, inside),
            end_time=until,
            meter=meter["id"],
            start_time=begin,
        )


def _aggregated(meter: Json, uses: list[Use]) -> int:
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return len(uses)
    if formula == "last":
        return max(uses, key=lambda use: use.at).value if uses else 0
    return sum(use.value for use in uses)


def _use(account: Account, meter: Json, params: Json, now: int) -> Use:
    payload = params["payload"]
    customer_key = meter["customer_mapping"]["event_payload_key"]
    value_key = meter["value_settings"]["event_payload_key"]
    formula = meter["default_aggregation"]["formula"]
    value = payload.get(value_key, "1" if formula == "count" else None)
    at = params.get("timestamp", now)
    if not now - PAST_S <= at <= now + AHEAD_S:
        raise _unfit(
            "The timestamp must be within the past 35 days or up to 5 minutes ahead.",
            "timestamp",
        )
    if payload.get(customer_key) not in account.customers:
        raise _unfit(f"No such customer in payload[{customer_key}].", "payload")
    digits = (value or "").removeprefix("-")
    if not digits.isdecimal() or len(digits) > DIGITS_MAX:
        raise _unfit(f"payload[{value_key}] must be a whole number.", "payload")
    identifier = params.get("identifier") or account.new_id("mevt")
    if len(identifier) > 100:
        raise _unfit("The identifier is too long.", "identifier")
    return Use(payload[customer_key], int(value), at, now, identifier)


def _unfit(message: str, param: str) -> ApiError:
    return invalid(message, param=param)


def _active(account: Account, event_name: str) -> Json | None:
    for meter in account.rows[KIND].values():
        if meter["event_name"] == event_name and meter["status"] == "active":
            return meter
    return None


def _switch(
    account: Account, reference: str, status: str, said: str, at: int | None
) -> Json:
    meter = found(account, KIND, reference)
    if meter["status"] == status:
        raise refused(f"This meter is already {status}.")
    fields: dict[str, Any] = {"status_transitions": {"deactivated_at": at}}
    meter.update(status=status, updated=account.now(), **fields)
    account.emit(f"billing.meter.{said}", meter)
    return meter


_PATH = "/v1/billing/meters"
ROUTES = (
    Route("POST", _PATH, sdk.MeterCreateParams, on_account(create)),
    Route("GET", _PATH, sdk.MeterListParams, on_account(search)),
    Route("GET", f"{_PATH}/{{id}}", sdk.MeterRetrieveParams, on_object_alone(retrieve)),
    Route("POST", f"{_PATH}/{{id}}", sdk.MeterUpdateParams, on_object(change)),
    Route(
        "POST",
        f"{_PATH}/{{id}}/deactivate",
        sdk.MeterDeactivateParams,
        on_object_alone(deactivate),
    ),
    Route(
        "POST",
        f"{_PATH}/{{id}}/reactivate",
        sdk.MeterReactivateParams,
        on_object_alone(reactivate),
    ),
    Route(
        "GET",
        f"{_PATH}/{{id}}/event_summaries",
        sdk.MeterEventSummaryListParams,
        on_object(summaries),
    ),
    Route(
        "POST",
        "/v1/billing/meter_events",
        sdk.MeterEventCreateParams,
        on_account(record),
    ),
    Route(
        "POST",
        "/v1/billing/meter_event_adjustments",
        sdk.MeterEventAdjustmentCreateParams,
        on_account(adjust),
    ),
)
