"""Customer portal: a page where a customer keeps its cards, and what its buttons do."""

from functools import partial

from stripe.params import billing_portal as portal_sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import cards, customers, methods, setup_intents
from tests.standins.stripe.world.objects import found, heed, listed, new, update

KIND = "billing_portal.session"
CONFIGURATION = "billing_portal.configuration"
_CONFIGURED = "active business_profile default_return_url features metadata name"


def create(account: Account, params: Json) -> Json:
    """Open the portal for a customer."""
    heed(params, "configuration customer flow_data locale return_url")
    customer = account.customer(params.get("customer", ""), param="customer")
    reference = params.get("configuration") or default_configuration(account)["id"]
    session = new(
        account,
        KIND,
        configuration=found(account, CONFIGURATION, reference)["id"],
        customer=customer["id"],
        flow=_flow(params.get("flow_data")),
        locale=params.get("locale"),
        return_url=params.get("return_url"),
        url="",
    )
    session["url"] = f"{account.base_url}/portal/{session['id']}"
    account.emit("billing_portal.session.created", session)
    return session


def retrieve(account: Account, reference: str) -> Json:
    """Return a session, for the page: the API has no way to ask for one."""
    return found(account, KIND, reference)


def add_card(account: Account, reference: str, number: str) -> Json:
    """Store a card as the customer's default; return its setup intent.

    Raises `CardError` when the bank says no. An intent that `requires_action` waits
    for `hosted.authenticate`, and the card is made the default then.
    """
    session = retrieve(account, reference)
    customer = account.customer(session["customer"])
    method = methods.of_card(account, cards.by_number(number))

    intent = setup_intents.make(
        account,
        customer,
        watcher=partial(_moved, account, reference, method["id"]),
        payment_method_types=setup_intents.TYPES,
    )
    account.emit("setup_intent.created", intent)
    url = session["url"]
    refusal = setup_intents.attempt(account, intent, method, return_url=url)
    if refusal is not None:
        raise refusal
    return intent


def _moved(account: Account, reference: str, method: str, what: str) -> None:
    """Follow the setup intent of a card that is being added."""
    if what == "succeeded":
        choose(account, reference, method)


def choose(account: Account, reference: str, method: str) -> Json:
    """Make one of the customer's cards the default."""
    customer = retrieve(account, reference)["customer"]
    settings = {"default_payment_method": method}
    return customers.update(account, customer, {"invoice_settings": settings})


def remove_card(account: Account, reference: str, method: str) -> Json:
    """Take a card off the customer."""
    retrieve(account, reference)
    return methods.detach(account, method)


def default_configuration(account: Account) -> Json:
    """Return the configuration that sessions have unless they name one."""
    for row in account.rows[CONFIGURATION].values():
        if row["is_default"]:
            return row
    return new(account, CONFIGURATION, updated=account.now())


def configure(account: Account, params: Json) -> Json:
    """Add a configuration."""
    heed(params, _CONFIGURED)
    default_configuration(account)
    row = new(account, CONFIGURATION, is_default=False, updated=account.now())
    row.update(_configured(row, params))
    account.emit("billing_portal.configuration.created", row)
    return row


def change(account: Account, reference: str, params: Json) -> Json:
    """Change a configuration."""
    heed(params, _CONFIGURED)
    row = found(account, CONFIGURATION, reference)
    return update(account, row, **_configured(row, params), updated=account.now())


def configuration(account: Account, reference: str) -> Json:
    """Return a configuration."""
    return found(account, CONFIGURATION, reference)


def configurations(account: Account, params: Json) -> Json:
    """Return a page of configurations, newest first."""
    heed(params, "active is_default")
    default_configuration(account)
    rows = list(listed(account, CONFIGURATION, params, by="active is_default"))
    return page(rows, params, url="/v1/billing_portal/configurations")


def _configured(row: Json, params: Json) -> Json:
    fields = {name: params[name] for name in _CONFIGURED.split() if name in params}
    for name in ("business_profile", "features"):
        given = fields.get(name, {})
        whole = {
            key: {**row[name][key], **value} if isinstance(value, dict) else value
            for key, value in given.items()
        }
        fields[name] = {**row[name], **whole}
    fields["metadata"] = merged(row["metadata"], params.get("metadata"))
    return fields


def _flow(given: Json | None) -> Json | None:
    if given is None:
        return None
    heed(given, "type after_completion")
    if given["type"] != "payment_method_update":
        raise invalid("This stand-in has the flow `payment_method_update`.")
    parts = (
        "subscription_cancel",
        "subscription_update",
        "subscription_update_confirm",
    )
    portal = {"hosted_confirmation": None, "redirect": None, "type": "portal_homepage"}
    after = {**portal, **given.get("after_completion", {})}
    return {"after_completion": after, "type": given["type"], **dict.fromkeys(parts)}


_PATH = "/v1/billing_portal/configurations"
ROUTES = (
    Route(
        "POST",
        "/v1/billing_portal/sessions",
        portal_sdk.SessionCreateParams,
        on_account(create),
    ),
    Route("POST", _PATH, portal_sdk.ConfigurationCreateParams, on_account(configure)),
    Route("GET", _PATH, portal_sdk.ConfigurationListParams, on_account(configurations)),
    Route(
        "GET",
        f"{_PATH}/{{id}}",
        portal_sdk.ConfigurationRetrieveParams,
        on_object_alone(configuration),
    ),
    Route(
        "POST",
        f"{_PATH}/{{id}}",
        portal_sdk.ConfigurationUpdateParams,
        on_object(change),
    ),
)
