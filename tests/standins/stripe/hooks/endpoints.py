"""An account's webhook endpoints: where events go, and the secrets that sign them.

Owns: the rows. A secret is shown once, when the endpoint is made, as Stripe does.
"""

import secrets as entropy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.standins.stripe.event_log import Json
from tests.standins.stripe.kinds import fits

SECRETS_MAX = 2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint; while its secret is being changed it has two."""

    id: str
    url: str
    secrets: tuple[str, ...]
    enabled_events: tuple[str, ...]
    created: int
    livemode: bool
    api_version: str | None = None
    description: str | None = None
    is_disabled: bool = False
    metadata: dict[str, str] = field(default_factory=dict)

    def wants(self, kind: str) -> bool:
        """Tell whether events of this type are sent here."""
        return not self.is_disabled and any(
            fits(kind, pattern) for pattern in self.enabled_events
        )

    def shown(self) -> Json:
        """Return the endpoint as the API shows it."""
        return {
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": None,
            "created": self.created,
            "description": self.description,
            "enabled_events": list(self.enabled_events),
            "livemode": self.livemode,
            "metadata": dict(self.metadata),
            "status": "disabled" if self.is_disabled else "enabled",
            "url": self.url,
        }


class EndpointBook:
    """The endpoints of one account."""

    def __init__(self) -> None:
        self._rows: dict[str, Endpoint] = {}

    def add(self, endpoint: Endpoint) -> Endpoint:
        """Keep an endpoint, a new one or one that was changed."""
        self._rows[endpoint.id] = endpoint
        return endpoint

    def get(self, reference: str) -> Endpoint | None:
        """Return an endpoint."""
        return self._rows.get(reference)

    def remove(self, reference: str) -> None:
        """Forget an endpoint."""
        self._rows.pop(reference, None)

    def all(self) -> list[Endpoint]:
        """Return every endpoint in the order in which they were made."""
        return list(self._rows.values())

    def wanting(self, kind: str) -> list[Endpoint]:
        """Return the endpoints that get events of this type."""
        return [endpoint for endpoint in self._rows.values() if endpoint.wants(kind)]

    def roll_secret(self, reference: str) -> str:
        """Give an endpoint a new secret; both sign until `drop_old_secret`."""
        endpoint, secret = self._rows[reference], new_secret()
        both = (secret, *endpoint.secrets)[:SECRETS_MAX]
        self._rows[reference] = replace(endpoint, secrets=both)
        return secret

    def drop_old_secret(self, reference: str) -> None:
        """Sign with the newest secret alone from now on."""
        endpoint = self._rows[reference]
        self._rows[reference] = replace(endpoint, secrets=endpoint.secrets[:1])


def new_secret() -> str:
    """Return a signing secret as Stripe makes them."""
    return f"whsec_{entropy.token_urlsafe(24)}"


def endpoint_of(
    *, url: str, secrets: Sequence[str], events: Sequence[str], **fields: Any
) -> Endpoint:
    """Return an endpoint from what settings say about it."""
    if not 1 <= len(secrets) <= SECRETS_MAX:
        raise ValueError(f"an endpoint has one secret or {SECRETS_MAX}")
    return Endpoint(
        url=url, secrets=tuple(secrets), enabled_events=tuple(events), **fields
    )
