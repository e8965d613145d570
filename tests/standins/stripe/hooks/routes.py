"""Webhook endpoints over the API, as far as a product that sets its own up needs."""

from dataclasses import replace

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, missing
from tests.standins.stripe.hooks.endpoints import Endpoint, endpoint_of, new_secret
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)

URL = "/v1/webhook_endpoints"


def create(account: Account, params: Json) -> Json:
    """Add an endpoint; only this answer shows its secret."""
    secret = new_secret()
    made = endpoint_of(
        url=_checked_url(account, params["url"]),
        secrets=[secret],
        events=params["enabled_events"],
        id=account.new_id("we"),
        created=account.now(),
        livemode=account.livemode,
        api_version=params.get("api_version"),
        description=params.get("description") or None,
        metadata=merged({}, params.get("metadata")),
    )
    return {**account.endpoints.add(made).shown(), "secret": secret}


def retrieve(account: Account, reference: str) -> Json:
    """Return an endpoint."""
    return _found(account, reference).shown()


def update(account: Account, reference: str, params: Json) -> Json:
    """Change an endpoint."""
    endpoint = _found(account, reference)
    changed = replace(
        endpoint,
        url=_checked_url(account, params.get("url", endpoint.url)),
        enabled_events=tuple(params.get("enabled_events", endpoint.enabled_events)),
        description=params.get("description", endpoint.description) or None,
        is_disabled=params.get("disabled", endpoint.is_disabled),
        metadata=merged(endpoint.metadata, params.get("metadata")),
    )
    return account.endpoints.add(changed).shown()


def delete(account: Account, reference: str) -> Json:
    """Remove an endpoint; nothing is sent there any more."""
    _found(account, reference)
    account.endpoints.remove(reference)
    return {"id": reference, "object": "webhook_endpoint", "deleted": True}


def listed(account: Account, params: Json) -> Json:
    """Return a page of endpoints, newest first."""
    rows = [endpoint.shown() for endpoint in reversed(account.endpoints.all())]
    return page(rows, params, url=URL)


def _found(account: Account, reference: str) -> Endpoint:
    endpoint = account.endpoints.get(reference)
    if endpoint is None:
        raise missing("webhook endpoint", reference)
    return endpoint


def _checked_url(account: Account, url: str) -> str:
    allowed = ("https://",) if account.livemode else ("https://", "http://")
    if not url.startswith(allowed):
        raise invalid("Invalid URL: an endpoint needs https in live mode.", param="url")
    return url


ROUTES = (
    Route("POST", URL, sdk.WebhookEndpointCreateParams, on_account(create)),
    Route("GET", URL, sdk.WebhookEndpointListParams, on_account(listed)),
    Route(
        "GET",
        f"{URL}/{{id}}",
        sdk.WebhookEndpointRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route("POST", f"{URL}/{{id}}", sdk.WebhookEndpointUpdateParams, on_object(update)),
    Route(
        "DELETE",
        f"{URL}/{{id}}",
        sdk.WebhookEndpointDeleteParams,
        on_object_alone(delete),
    ),
)
