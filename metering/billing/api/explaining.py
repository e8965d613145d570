"""Lines of invoices explained over HTTP: to their days, and these to their requests."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.pagination import Cursor
from rest_framework.request import Request
from rest_framework.response import Response

from kit.contracts import EventKind
from kit.drf.pagination import KeysetPagination
from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.drf.views import ManagementView
from kit.errors import NotFound
from kit.money import decimal_from_picos
from kit.scopes import Scope
from metering.billing import explaining, selectors
from metering.billing.api import examples
from metering.billing.models import InvoiceLine


class ChargedDayOutput(serializers.Serializer[Any]):
    """What a line charges of a billing day."""

    date = serializers.DateField()
    quantity = serializers.IntegerField()
    charge_picos = serializers.CharField()
    charge = serializers.CharField()


@example(examples.LINE_EXPLAINED)
class LineExplainedOutput(serializers.Serializer[Any]):
    """A line with the days that it charges or counts, and how it came about.

    Tokens that a component counts are charged all together: its days have no charge.
    """

    position = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=InvoiceLine.Kind.choices)
    description = serializers.CharField()
    quantity = serializers.IntegerField()
    exact_picos = serializers.CharField()
    amount_minor = serializers.IntegerField()
    document = serializers.JSONField()
    days = ChargedDayOutput(many=True)
    days_quantity = serializers.IntegerField(help_text="The sum of the days.")
    days_picos = serializers.CharField()
    adds_up = serializers.BooleanField(
        allow_null=True,
        help_text="Whether the days are the line, to the pico, or what its component "
        "counted; null for a line that counts nothing of days.",
    )


class DayFilters(Filters):
    """Which day of a line."""

    date = serializers.DateField(help_text="One of the line's days.")


class CountedEventOutput(serializers.Serializer[Any]):
    """A request, or a correction of one, with its tokens of the line's class."""

    request_id = serializers.UUIDField()
    admitted_at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=[each.name.lower() for each in EventKind])
    corrects = serializers.UUIDField(allow_null=True)
    quantity = serializers.IntegerField()
    charge_picos = serializers.CharField()


@example(examples.DAY_EXPLAINED)
class DayExplainedOutput(serializers.Serializer[Any]):
    """A day of a line, and a page of its requests in the order of their admission."""

    day = ChargedDayOutput()
    elsewhere_quantity = serializers.IntegerField(
        help_text="What other invoices charge of the day, or will."
    )
    elsewhere_picos = serializers.CharField()
    events_count = serializers.IntegerField()
    events_quantity = serializers.IntegerField(help_text="The sum of all requests.")
    events_picos = serializers.CharField()
    adds_up = serializers.BooleanField(
        help_text="Whether the requests are the day here and elsewhere, to the pico."
    )
    data = CountedEventOutput(many=True)  # type: ignore[assignment]
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True, help_text="Always null.")


class EventPagination(KeysetPagination):
    """Pages along the ids of a day's requests; they only go on."""

    ordering = "request_id"
    position = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class _LineView(ManagementView):
    """A line of an invoice that the caller may see."""

    scopes: ClassVar = {"get": Scope.BILLING_READ}

    def explained(self, pk: int, position: int) -> explaining.LineExplained:
        """Return the line with its days; to tenants a draft is no invoice yet."""
        rows = selectors.invoices()
        rows = rows if self.actor.is_operator else selectors.only_issued(rows)
        invoice = rows.filter(pk=pk).first()
        if invoice is None:
            raise NotFound(f"There is no invoice {pk}.")
        return explaining.explain_line(invoice, explaining.line_at(invoice, position))


class LineView(_LineView):
    """A line, explained by days."""

    @extend_schema(operation_id="explain_line", responses=LineExplainedOutput)
    def get(self, request: Request, pk: int, position: int) -> Response:
        """Explain an invoice's line by the days that it charges.

        A line of use is the sum of its days, to the pico. A component's days are what
        it counted: tokens, or what their use is charged. What it made of them, and how
        all other lines came about, says `document`.
        """
        found = self.explained(pk, position)
        line = found.line
        shown = {
            "position": line.position,
            "kind": line.kind,
            "description": line.description,
            "quantity": line.quantity,
            "exact_picos": str(line.exact_picos),
            "amount_minor": line.amount_minor,
            "document": line.document,
            "days": [_day(each) for each in found.days],
            "days_quantity": found.quantity,
            "days_picos": str(found.charge_picos),
            "adds_up": found.adds_up,
        }
        return Response(LineExplainedOutput(shown).data)


class LineEventsView(_LineView):
    """A day of a line, explained by requests."""

    @extend_schema(
        operation_id="explain_day",
        parameters=[DayFilters],
        responses=DayExplainedOutput,
    )
    def get(self, request: Request, pk: int, position: int) -> Response:
        """Explain a day of an invoice's line by its requests and their corrections.

        The requests of a component of charges are those of the lines of use.

        What other invoices charge of the same day, because it came to be known later,
        is `elsewhere`. Pages are named by `cursor` and hold `limit` requests (50, at
        most 200).
        """
        line = self.explained(pk, position)
        # Not a list's own parameters: paging is read apart.
        asked = self.parse_query(DayFilters)
        pages = EventPagination()
        cursor = pages.decode_cursor(request)
        found = explaining.explain_day(
            line,
            asked["date"],
            after=None if cursor is None else UUID(str(cursor.position)),
            size=pages.get_page_size(request),
        )
        shown = {
            "day": _day(found.day),
            "elsewhere_quantity": found.elsewhere_quantity,
            "elsewhere_picos": str(found.elsewhere_picos),
            "events_count": found.events_count,
            "events_quantity": found.events_quantity,
            "events_picos": str(found.events_picos),
            "adds_up": found.events_picos
            == found.day.charge_picos + found.elsewhere_picos,
            "data": [_event(each) for each in found.events],
            "next": _next(pages, request, found.after),
            "previous": None,
        }
        return Response(DayExplainedOutput(shown).data)


def _next(pages: EventPagination, request: Request, after: UUID | None) -> str | None:
    if after is None:
        return None
    pages.base_url = request.build_absolute_uri()
    # DRF pages by any field, whatever its types say.
    position: Any = str(after)
    link: str = pages.encode_cursor(Cursor(0, reverse=False, position=position))
    return link


def _day(day: Any) -> dict[str, Any]:
    return {
        "date": day.date,
        "quantity": day.quantity,
        "charge_picos": str(day.charge_picos),
        "charge": decimal_from_picos(day.charge_picos),
    }


def _event(event: explaining.CountedEvent) -> dict[str, Any]:
    return {
        "request_id": event.request_id,
        "admitted_at": event.admitted_at,
        "kind": event.kind.name.lower(),
        "corrects": event.corrects,
        "quantity": event.quantity,
        "charge_picos": str(event.charge_picos),
    }
