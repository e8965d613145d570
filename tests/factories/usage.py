"""Epochs and usage events for tests, written as a gateway writes them."""

import datetime as dt
import itertools
from dataclasses import dataclass, replace
from uuid import UUID

from kit.contracts import CountedBy, EventKind, EventStatus, Surface, TokenCounts
from kit.contracts import LinearPrice as Price
from kit.handling import NOT_NOTED, Handling
from kit.ids import uuid7
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.pricing.rating import charge_picos
from metering.usage.models import Correction, Epoch, Event
from metering.usage.services import cover
from tests.factories.tenants import make_key

_numbers = itertools.count(1)
_UNIX = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
COUNTS = TokenCounts(input_tokens=100, cached_input_tokens=20, output_tokens=50)


@dataclass(frozen=True, slots=True)
class Use:
    """What one event records; a correction names the event it corrects."""

    price: Price
    tenant_id: int
    project_id: int
    api_key_id: int
    admitted_at: dt.datetime
    counts: TokenCounts = COUNTS
    kind: EventKind = EventKind.REQUEST
    corrects: UUID | None = None
    status: EventStatus = EventStatus.OK
    # Where it was known before the request ended.
    request_id: UUID | None = None
    replica_id: int = 1
    first_token_us: int = 1000
    last_token_us: int | None = None
    duration_us: int = 2000
    streamed: bool = True
    # What was handed over, unless it is more.
    generated_tokens: int | None = None
    handling: Handling = NOT_NOTED


def make_use(*, price: Price, admitted_at: dt.datetime, tenant: object = None) -> Use:
    """Describe one request of a new key, of a new tenant unless one is given.

    The tenant has its billing days from then on, whatever day it is made on.
    """
    key = make_key(tenant=tenant).row  # type: ignore[arg-type]
    with as_operator():
        cover(tenant=key.tenant, earliest=admitted_at, latest=admitted_at)
    return Use(
        price=price,
        tenant_id=key.tenant_id,
        project_id=key.project_id,
        api_key_id=key.pk,
        admitted_at=admitted_at,
    )


def make_epoch(
    *,
    started_at: dt.datetime,
    heartbeat_at: dt.datetime | None = None,
    state: str = Epoch.State.OPEN,
) -> Epoch:
    """Start a run of a gateway of its own."""
    number = next(_numbers)
    with as_operator():
        return Epoch.objects.create(
            gateway=f"gateway-{number}",
            epoch=1,
            state=state,
            started_at=started_at,
            heartbeat_at=heartbeat_at or started_at,
        )


def commit(epoch: Epoch, *uses: Use, skip: int = 0) -> list[Event]:
    """Commit events under the epoch's next numbers; `skip` leaves numbers out first."""
    with as_operator(), atomic():
        locked = Epoch.objects.select_for_update().get(pk=epoch.pk)
        first = locked.last_seq + skip + 1
        events = [_event(epoch, use, seq) for seq, use in enumerate(uses, first)]
        Event.objects.bulk_create(events)
        Correction.objects.bulk_create(
            Correction(
                tenant_id=event.tenant_id,
                corrects=event.corrects,
                kind=event.kind,
                source=str(event.request_id),
                request_id=event.request_id,
            )
            for event in events
            if event.corrects is not None
        )
        locked.last_seq = first + len(uses) - 1
        locked.save(update_fields=["last_seq"])
        return events


def undoing(event: Event, use: Use) -> Use:
    """Describe the correction that takes all of an event back."""
    counts = use.counts
    return replace(
        use,
        counts=TokenCounts(
            input_tokens=-counts.input_tokens,
            cached_input_tokens=-counts.cached_input_tokens,
            output_tokens=-counts.output_tokens,
            reasoning_tokens=-counts.reasoning_tokens,
        ),
        kind=EventKind.UNDELIVERED,
        corrects=event.request_id,
    )


def _event(epoch: Epoch, use: Use, seq: int) -> Event:
    # A correction's id carries its own time, which is later than what it corrects.
    made_at = use.admitted_at + (
        dt.timedelta(days=3) if use.corrects else dt.timedelta()
    )
    return Event(
        request_id=use.request_id
        or uuid7((made_at - _UNIX) // dt.timedelta(milliseconds=1)),
        admitted_at=use.admitted_at,
        tenant_id=use.tenant_id,
        project_id=use.project_id,
        api_key_id=use.api_key_id,
        price_id=use.price.id,
        replica_id=use.replica_id,
        epoch_id=epoch.pk,
        seq=seq,
        charge_picos=charge_picos(use.price, use.counts),
        first_token_us=use.first_token_us,
        last_token_us=use.last_token_us,
        duration_us=use.duration_us,
        input_tokens=use.counts.input_tokens,
        cached_input_tokens=use.counts.cached_input_tokens,
        output_tokens=use.counts.output_tokens,
        reasoning_tokens=use.counts.reasoning_tokens,
        generated_tokens=(
            max(use.counts.output_tokens, 0)
            if use.generated_tokens is None
            else use.generated_tokens
        ),
        attempts=use.handling.attempts,
        held_input_tokens=use.handling.held_input_tokens,
        held_output_tokens=use.handling.held_output_tokens,
        keyed=use.handling.keyed,
        kind=use.kind,
        status=use.status,
        counted_by=CountedBy.ENGINE,
        surface=Surface.CHAT_COMPLETIONS,
        streamed=use.streamed,
        corrects=use.corrects,
        committed_at=made_at,
    )
