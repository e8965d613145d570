"""How a call gets to Stripe: one pinned version, one SDK client, two kinds of failure.

Each request waits for its slot, so that we keep below the limits whatever runs. One
that is too much all the same is made again, under its own key: the SDK does not.

Failure: `CallRefused` when Stripe said no and the key is used up, `OutcomeUnknown` when
the request may or may not have been carried out. Owns the SDK's client.
"""

import functools
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

import stripe

from metering.billing.limiting import Pace
from metering.billing.operations import CallRefused, OutcomeUnknown

# Others may use the account, too: how often and how long we make way.
MAKING_WAY_MAX = 3
MAKING_WAY_S = 1.0
API_VERSION = "2026-10-28.endive"
# Retries inside one call, under one key, after a lost connection; the outbox does the
# rest.
NETWORK_RETRIES_MAX = 2
PAGE_ROWS = 100
_CLIENT_ERRORS = 400
_CONFLICT = 409
_TOO_MANY = 429
_FOR_SPEED = "rate_limit"
_SERVER_ERRORS = 500

# Of ids alone: words in paths are in small letters.
_ID = re.compile(r"[0-9A-Z]")
_ENDPOINT_CHARS_MAX = 100

# The SDK logs two lines a call; what a call did is in the outbox.
logging.getLogger("stripe").setLevel(logging.WARNING)

P = ParamSpec("P")
R = TypeVar("R")


class Transport:
    """One account's way to Stripe; threads may share it."""

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str = "",
        timeout_ms: int = 30_000,
        network_retries_max: int = NETWORK_RETRIES_MAX,
        pace: Pace | None = None,
    ) -> None:
        self.sdk = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses=(
                {"api": api_base, "meter_events": api_base} if api_base else {}
            ),
            max_network_retries=network_retries_max,
            http_client=_Paced(pace, timeout=timeout_ms / 1000),
        )

    @property
    def v1(self) -> stripe.V1Services:
        """Return the SDK's services."""
        return self.sdk.v1


class _Paced(stripe.RequestsClient):
    """Sends each request in its own slot, the SDK's own repetitions included."""

    def __init__(self, pace: Pace | None, *, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._pace = pace

    # The SDK's own client of this kind differs from its base in the same way.
    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send a request, again where it only came too fast."""
        if self._pace is None:
            return super().request(method, url, headers, post_data)
        endpoint = endpoint_of(method, url)
        for _ in range(MAKING_WAY_MAX):
            self._pace.wait(endpoint)
            answer = super().request(method, url, headers, post_data)
            if not _came_too_fast(answer):
                return answer
            self._pace.hold_off(endpoint, seconds=MAKING_WAY_S)
        self._pace.wait(endpoint)
        return super().request(method, url, headers, post_data)


def endpoint_of(method: str, url: str) -> str:
    """Return what Stripe counts calls by: method and path, without what is in it."""
    parts = urlsplit(url).path.strip("/").split("/")
    named = ["*" if _ID.search(part) else part for part in parts[1:]]
    return f"{method.upper()} /{'/'.join([*parts[:1], *named])}"[:_ENDPOINT_CHARS_MAX]


class Subject:
    """What a file of this package knows of Stripe: calls about one kind of object."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def _v1(self) -> stripe.V1Services:
        return self._transport.v1


def two_kinds_of_failure(call: Callable[P, R]) -> Callable[P, R]:
    """Turn the SDK's errors into what they mean for the outbox."""

    @functools.wraps(call)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except stripe.StripeError as error:
            raise _meaning(error) from error

    return wrapped


def metadata_of(metadata: object) -> dict[str, str]:
    """Return an object's metadata as a plain dict."""
    if metadata is None:
        return {}
    if isinstance(metadata, stripe.StripeObject):
        return dict(metadata.to_dict())
    return dict(cast(Mapping[str, str], metadata))


def id_of(reference: object) -> str:
    """Return the id of what is referred to: Stripe gives ids, or objects on demand."""
    if reference is None:
        return ""
    if isinstance(reference, str):
        return reference
    return str(getattr(reference, "id", ""))


def _came_too_fast(answer: tuple[bytes, int, Mapping[str, str]]) -> bool:
    """Tell whether a request was refused for speed alone: its key keeps the others."""
    content, status, _ = answer
    return status == _TOO_MANY and f'"{_FOR_SPEED}"'.encode() in content


def _code(error: stripe.StripeError) -> str:
    """Return Stripe's word for why: the SDK leaves it out of some of its errors."""
    told = error.error
    return error.code or (told.code if told else None) or ""


def _meaning(error: stripe.StripeError) -> CallRefused | OutcomeUnknown:
    status = error.http_status
    text = error.user_message or type(error).__name__
    replayed = (error.headers or {}).get("idempotent-replayed") == "true"
    if isinstance(error, stripe.APIConnectionError) or status is None:
        return OutcomeUnknown(text)
    # It said yes in words that cannot be read.
    if status < _CLIENT_ERRORS:
        return OutcomeUnknown(text)
    # A request under this key is still running.
    if status == _CONFLICT:
        return OutcomeUnknown(text)
    # It was not looked at: the key is as good as new.
    if status == _TOO_MANY and _code(error) == _FOR_SPEED and not replayed:
        return OutcomeUnknown(text)
    # The first 500 may still be at work; replayed, it is all that this key will ever
    # say.
    if status >= _SERVER_ERRORS and not replayed:
        return OutcomeUnknown(text)
    return CallRefused(text, code=_code(error))
