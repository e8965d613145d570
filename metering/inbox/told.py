"""What an event says that we keep of it. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Its package loads the SDK.
    from metering.billing.providers.stripe.client.events import RemoteEvent


@dataclass(frozen=True, slots=True)
class Told:
    """That something happened to an object of an account.

    `changed` and `marks` say what of it changed and what its metadata has, by name, or
    None where that is not said. They are not kept: they only tell who need not read.
    """

    event_id: str
    type: str
    object_id: str
    occurred_at: dt.datetime
    api_version: str = ""
    changed: frozenset[str] | None = None
    marks: frozenset[str] | None = None


def told_by(event: "RemoteEvent") -> Told:
    """Return what is kept of an event of Stripe's."""
    return Told(
        event_id=event.reference,
        type=event.type,
        object_id=event.object_id,
        occurred_at=event.created_at,
        api_version=event.api_version,
        changed=event.changed,
        marks=event.marks,
    )
