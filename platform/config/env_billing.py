"""Settings of invoices: who issues them, through which provider, and its accounts."""

import json
import re
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from config.env_base import Settings

# Of two endpoints, for events and for meters; of each, two while one is replaced.
WEBHOOK_SECRETS_MAX = 4
_WEBHOOK_SECRET = re.compile(r"whsec_\S+")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3}")
# What can be told to meters; see `metering.collection.models.meters`.
COUNTED = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_EVENT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class StripeAccount(BaseModel):
    """One more Stripe account, as STRIPE_ACCOUNTS describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: str = Field(min_length=1)
    webhook_secrets: tuple[str, ...] = ()
    account_id: str = ""
    currencies: tuple[str, ...] = Field(min_length=1)
    automatic_tax: bool = False
    meter_events: bool = False

    @field_validator("webhook_secrets")
    @classmethod
    def _are_secrets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return secrets_given(value)

    @field_validator("currencies")
    @classmethod
    def _are_currencies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for currency in value:
            if not _CURRENCY.fullmatch(currency):
                raise ValueError("give currencies as codes such as EUR")
        return value


class BillingSettings(Settings):
    """Invoices and their provider."""

    seller_name: str = Field("Tollgate", description="Who issues the invoices.")
    billing_provider: Literal["offline", "stripe"] = Field(
        "offline", description="Where invoices are issued."
    )
    grant_approval_above: str = Field(
        "",
        pattern=r"^([0-9]{1,15}(\.[0-9]{1,6})?)?$",
        description="Credit above so much, in units of the tenant's currency, takes a "
        "second person; empty for never.",
    )
    export_days_kept: int = Field(
        7, ge=1, description="Days that exported files are kept."
    )
    invoice_days_until_due: int = Field(
        14, ge=1, description="Days a customer has to pay."
    )
    dunning_days: str = Field(
        "3,7,14",
        pattern=r"^(never|[0-9]{1,3}(,[0-9]{1,3})*)$",
        description="Days after the due date when an unpaid invoice is followed up;"
        " the last suspends. Or: never.",
    )
    stripe_api_key: SecretStr = Field(
        SecretStr(""), validate_default=True, description="Stripe's restricted key."
    )
    stripe_api_base: str = Field(
        "", description="Another address of Stripe's API, for rehearsals."
    )
    stripe_timeout_ms: int = Field(
        30_000, gt=0, description="Longest wait for an answer of Stripe."
    )
    stripe_webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="Secrets of the webhook endpoints at Stripe, comma separated: two"
        " of one while one replaces the other. Empty: no webhooks are taken.",
    )
    stripe_account_id: str = Field(
        "",
        description="The Stripe account's id, acct_...; webhooks of others are refused."
        " Empty: the key alone says whose they are.",
    )
    stripe_automatic_tax: bool = Field(
        False,
        description="Whether Stripe computes the tax of invoices sent through it, in"
        " place of the rates kept here.",
    )
    stripe_meter_events: bool = Field(
        False, description="Whether use is told to Stripe's meters, hour by hour."
    )
    stripe_meters: str = Field(
        "input_tokens=tollgate_input_tokens,"
        "cached_input_tokens=tollgate_cached_input_tokens,"
        "output_tokens=tollgate_output_tokens",
        description="What Stripe's meters are told, each with the name of its events:"
        f" of {', '.join(COUNTED)}. Those of output hold those of reasoning.",
    )
    stripe_accounts: SecretStr = Field(
        SecretStr(""),
        description="Further Stripe accounts, as JSON: by name an object of api_key,"
        " webhook_secrets, account_id, currencies, automatic_tax, meter_events. An"
        " invoice goes to the account that lists its currency, else to the one of"
        " STRIPE_API_KEY.",
    )
    stripe_concurrency: int = Field(
        8, ge=1, le=64, description="Invoices that one worker takes to Stripe at once."
    )

    @field_validator("stripe_api_key")
    @classmethod
    def _given_to_stripe(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if (
            info.data.get("billing_provider") == "stripe"
            and not value.get_secret_value()
        ):
            raise ValueError("is not set, and BILLING_PROVIDER is stripe")
        return value

    @field_validator("stripe_webhook_secrets")
    @classmethod
    def _are_secrets(cls, value: SecretStr) -> SecretStr:
        secrets_given(_parts(value))
        return value

    @field_validator("stripe_meters")
    @classmethod
    def _are_meters(cls, value: str) -> str:
        meters_in(value)
        return value

    @field_validator("stripe_accounts")
    @classmethod
    def _are_accounts(cls, value: SecretStr) -> SecretStr:
        _accounts(value)
        return value

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Return the secrets of the first account's endpoint."""
        return _parts(self.stripe_webhook_secrets)

    @property
    def meters(self) -> dict[str, str]:
        """Return what meters are told of, each with the name of its events."""
        return meters_in(self.stripe_meters)

    @property
    def further_accounts(self) -> dict[str, dict[str, Any]]:
        """Return the further accounts by name."""
        found = _accounts(self.stripe_accounts)
        return {name: account.model_dump() for name, account in found.items()}


def secrets_given(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return webhook secrets if they may be some; raises `ValueError`.

    Anybody can sign with an empty one.
    """
    if len(secrets) > WEBHOOK_SECRETS_MAX:
        raise ValueError(f"give at most {WEBHOOK_SECRETS_MAX} secrets")
    if not all(_WEBHOOK_SECRET.fullmatch(secret) for secret in secrets):
        raise ValueError("give secrets as Stripe shows them: whsec_...")
    return secrets


def meters_in(text: str) -> dict[str, str]:
    """Return what meters are told by the name of its events; raises `ValueError`."""
    found: dict[str, str] = {}
    for part in text.split(","):
        counted, equals, name = (each.strip() for each in part.partition("="))
        if not equals or counted not in COUNTED or not _EVENT_NAME.fullmatch(name):
            raise ValueError(
                f"'{part.strip()}' is no meter: write one such as"
                " output_tokens=my_output, of " + ", ".join(COUNTED)
            )
        if counted in found or name in found.values():
            raise ValueError(f"lists {part.strip()} more than once")
        found[counted] = name
    return found


def _parts(secrets: SecretStr) -> tuple[str, ...]:
    text = secrets.get_secret_value()
    return tuple(part.strip() for part in text.split(",")) if text else ()


def _accounts(document: SecretStr) -> dict[str, StripeAccount]:
    """Read the further accounts; an error names what is wrong and shows no value."""
    text = document.get_secret_value()
    if not text:
        return {}
    try:
        given = json.loads(text)
    except json.JSONDecodeError:
        raise ValueError("is not JSON") from None
    if not isinstance(given, dict):
        raise ValueError("give an object: an account by each name")  # noqa: TRY004
    accounts = {name: _account(name, one) for name, one in given.items()}
    currencies = [each for one in accounts.values() for each in one.currencies]
    twice = sorted({each for each in currencies if currencies.count(each) > 1})
    if twice:
        raise ValueError(f"lists {', '.join(twice)} more than once")
    return accounts


def _account(name: str, given: object) -> StripeAccount:
    if name == "default" or not _NAME.fullmatch(name):
        raise ValueError(
            "name accounts in small letters, digits and dashes, none of them 'default'"
        )
    try:
        return StripeAccount.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in (name, *first["loc"]))
        why = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}: {why}") from None
