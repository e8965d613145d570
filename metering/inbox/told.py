"""What an event says that we keep of it. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Its package loads the SDK.
    from metering.billing.providers.stripe.client.events import RemoteEvent


@dataclass(frozen=True, slots=True)
class Told:
    """That something happened to an object of an account."""

    event_id: str
    type: str
    object_id: str
    occurred_at: dt.datetime
    api_version: str = ""


def told_by(event: "RemoteEvent") -> Told:
    """Return what is kept of an event of Stripe's."""
    return Told(
        event_id=event.reference,
        type=event.type,
        object_id=event.object_id,
        occurred_at=event.created_at,
        api_version=event.api_version,
    )
