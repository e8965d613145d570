"""Events over the API: one by its id, and lists of the latest thirty days."""

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, created_in
from tests.standins.stripe.errors import invalid, missing
from tests.standins.stripe.kinds import fits
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import Route, on_account, on_object_alone

SHOWN_S = 30 * 86_400
TYPES_MAX = 20


def retrieve(account: Account, reference: str) -> Json:
    """Return an event."""
    event = account.events.rows.get(reference)
    if event is None or event["created"] < account.now() - SHOWN_S:
        raise missing("event", reference)
    return event


def listed(account: Account, params: Json) -> Json:
    """Return a page of events, newest first."""
    if "type" in params and "types" in params:
        raise invalid("Give `type` or `types`, not both.", param="types")
    if "delivery_success" in params:
        raise invalid("This stand-in lists no events by their delivery.")
    wanted = params.get("types") or [params.get("type", "*")]
    if len(wanted) > TYPES_MAX:
        raise invalid(f"At most {TYPES_MAX} types can be given.", param="types")
    oldest, created = account.now() - SHOWN_S, params.get("created")
    rows = (
        event
        for event in account.events.newest_first()
        if event["created"] >= oldest
        and any(fits(event["type"], pattern) for pattern in wanted)
        and created_in(event, created)
    )
    return page(rows, params, url="/v1/events")


def current_account(account: Account, _: Json) -> Json:
    """Return the account that the API key belongs to."""
    return {
        "id": account.id,
        "object": "account",
        "business_type": None,
        "charges_enabled": True,
        "country": account.country,
        "created": account.created,
        "default_currency": "usd",
        "details_submitted": True,
        "email": f"{account.id}@standin.invalid",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "dashboard": {"display_name": account.name, "timezone": "Etc/UTC"}
        },
        "type": "standard",
    }


ROUTES = (
    Route("GET", "/v1/events", sdk.EventListParams, on_account(listed)),
    Route("GET", "/v1/events/{id}", sdk.EventRetrieveParams, on_object_alone(retrieve)),
    Route(
        "GET",
        "/v1/account",
        sdk.AccountRetrieveCurrentParams,
        on_account(current_account),
    ),
)
