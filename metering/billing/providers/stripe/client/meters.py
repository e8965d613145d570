"""Meters, and the events that tell them of use.

Failure: an event that is there already is no failure: its identifier says that it is
the same.
"""

import datetime as dt
from dataclasses import dataclass

from stripe.params import billing as sdk

from metering.billing.operations import CallRefused
from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    two_kinds_of_failure,
)

# All that Stripe says of an event that it has: there is no code for it.
_THERE_ALREADY = "already exists with identifier"


@dataclass(frozen=True, slots=True)
class RemoteMeter:
    """A meter that takes events; `adds_up` when it is the sum of what it is told."""

    reference: str
    event_name: str
    adds_up: bool
    customer_key: str
    value_key: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a customer used, as an event tells it."""

    customer: str
    quantity: int
    at: dt.datetime
    identifier: str


class Meters(Subject):
    """Calls about meters."""

    @two_kinds_of_failure
    def active(self) -> dict[str, RemoteMeter]:
        """Return the meters that take events, by the name of those."""
        listed = self._v1.billing.meters.list({"status": "active", "limit": PAGE_ROWS})
        return {
            row.event_name: RemoteMeter(
                reference=row.id,
                event_name=row.event_name,
                adds_up=row.default_aggregation.formula == "sum",
                customer_key=row.customer_mapping.event_payload_key,
                value_key=row.value_settings.event_payload_key,
            )
            for row in listed.auto_paging_iter()
        }

    def tell(self, meter: RemoteMeter, use: Use, *, key: str) -> None:
        """Tell a meter of use, unless it was told under this identifier."""
        try:
            self._tell(meter, use, key=key)
        except CallRefused as refusal:
            if _THERE_ALREADY not in str(refusal):
                raise

    @two_kinds_of_failure
    def cancel(self, event_name: str, identifier: str, *, key: str) -> None:
        """Take back what was told within the last day."""
        params: sdk.MeterEventAdjustmentCreateParams = {
            "event_name": event_name,
            "type": "cancel",
            "cancel": {"identifier": identifier},
        }
        self._v1.billing.meter_event_adjustments.create(
            params, {"idempotency_key": key}
        )

    @two_kinds_of_failure
    def counted(
        self, meter: RemoteMeter, customer: str, *, start: dt.datetime, end: dt.datetime
    ) -> int:
        """Return what a meter has counted of a customer from `start` to `end`.

        It lags behind what it is told by minutes.
        """
        params: sdk.MeterListEventSummariesParams = {
            "customer": customer,
            "start_time": int(start.timestamp()),
            "end_time": int(end.timestamp()),
        }
        listed = self._v1.billing.meters.event_summaries.list(meter.reference, params)
        # Counts, which the SDK gives as floats: whole up to 2**53.
        return sum(int(row.aggregated_value) for row in listed.data)

    @two_kinds_of_failure
    def _tell(self, meter: RemoteMeter, use: Use, *, key: str) -> None:
        params: sdk.MeterEventCreateParams = {
            "event_name": meter.event_name,
            "identifier": use.identifier,
            "timestamp": int(use.at.timestamp()),
            "payload": {
                meter.customer_key: use.customer,
                meter.value_key: str(use.quantity),
            },
        }
        self._v1.billing.meter_events.create(params, {"idempotency_key": key})
