"""Tell what of an invoice's days a line counts, by the plans that held on them.

The plans' versions never change, so what a bill was made by can be asked again.
Failure: none; a component that is not found, as on no invoice, counts nothing.
"""

import datetime as dt
from collections.abc import Sequence

from kit.contracts import TokenClass
from metering.billing.marks import ChargedDay, charged_between
from metering.billing.models import Invoice, InvoiceLine
from metering.billing.planning import holds_plans, planned_all
from metering.pricing.models import Price
from metering.subscriptions.terms import ComponentTerms, Meter, Segment


def not_replaced(
    invoice: Invoice, days: Sequence[ChargedDay], *, model: str
) -> list[ChargedDay]:
    """Leave out what a component of a plan charges instead of a model's price."""
    if not holds_plans(invoice.tenant):
        return list(days)
    segments = _segments(invoice, days)
    return [day for day in days if not _is_replaced(segments, day, model)]


def counted_by(
    invoice: Invoice, line: InvoiceLine
) -> tuple[Meter | None, list[ChargedDay]]:
    """Return what a component's line counts, and what of: tokens, or charges.

    Requests are not counted by days' postings: of those there is nothing to return.
    """
    told = line.document
    days = charged_between(
        invoice,
        first_date=dt.date.fromisoformat(str(told["first_date"])),
        end_date=dt.date.fromisoformat(str(told["end_date"])),
    )
    segments = _segments(invoice, days)
    component = _component(segments, told["component"])
    if component is None or component.meter is Meter.REQUESTS:
        return None, []
    prices = {day.price_id for day in days}
    models = dict(Price.objects.filter(pk__in=prices).values_list("pk", "model"))
    counted = [
        day
        for day in days
        if _counts(component, segments, day, models.get(day.price_id, ""))
    ]
    return component.meter, counted


def _counts(
    component: ComponentTerms, segments: Sequence[Segment], day: ChargedDay, model: str
) -> bool:
    if component.meter is Meter.CHARGE:
        return component.counts(model) and not _is_replaced(segments, day, model)
    return component.replaces(model, TokenClass(day.token_class))


def _is_replaced(segments: Sequence[Segment], day: ChargedDay, model: str) -> bool:
    return any(
        each.replaces(model, TokenClass(day.token_class))
        for segment in segments
        if segment.holds(day.date)
        for each in segment.components
    )


def _component(segments: Sequence[Segment], pk: object) -> ComponentTerms | None:
    found = (each for segment in segments for each in segment.components)
    return next((each for each in found if each.id == pk), None)


def _segments(invoice: Invoice, days: Sequence[ChargedDay]) -> list[Segment]:
    periods = planned_all(
        tenant=invoice.tenant, are_due={day.period_start: True for day in days}
    )
    return [segment for period in periods for segment in period.terms.segments]
