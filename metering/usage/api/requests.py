"""The request log over HTTP: parse the question, ask the selector, render the page."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.pagination import Cursor
from rest_framework.request import Request
from rest_framework.response import Response

from kit.contracts import CountedBy, EventStatus, Surface
from kit.drf.pagination import KeysetPagination
from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.drf.views import ManagementViewSet
from kit.money import AmountFormatError, picos_from_decimal
from kit.scopes import Scope
from metering.usage.api.examples import REQUEST
from metering.usage.api.fields import BoundField, TenantField
from metering.usage.request_log import (
    CHARGE_PICOS_MAX,
    LoggedRequest,
    RequestQuery,
    requests,
    require_tenant,
)

STATUSES = {each.name.lower(): each for each in EventStatus}
_US_PER_MS = 1000


class RequestFilters(Filters):
    """What the request log may be narrowed by."""

    tenant = TenantField(
        required=False,
        help_text="A tenant's slug or id; a tenant's token need not name it.",
    )
    start = BoundField(
        help_text="An instant with its offset, or a date: the tenant's billing day."
    )
    end = BoundField(help_text="Exclusive, else as `start`.")
    project = serializers.IntegerField(
        required=False, min_value=1, help_text="A project's id."
    )
    key = serializers.IntegerField(
        required=False, min_value=1, help_text="An API key's id."
    )
    model = serializers.CharField(
        required=False, max_length=128, help_text="A served model's public name."
    )
    status = serializers.ChoiceField(
        choices=list(STATUSES), required=False, help_text="How the request ended."
    )
    min_charge = serializers.CharField(
        required=False,
        max_length=40,
        help_text="The least net charge, with corrections: a decimal such as `0.05`.",
    )
    min_duration_ms = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=10**9,
        help_text="The least time that the request took.",
    )
    request = serializers.UUIDField(
        required=False, help_text="One request, by the id that its answer had."
    )

    def validate_min_charge(self, value: str) -> int:
        """Return the least charge in picos; more than a column holds is its most."""
        try:
            return min(picos_from_decimal(value), CHARGE_PICOS_MAX)
        except AmountFormatError as wrong:
            raise serializers.ValidationError(str(wrong)) from None


@example(REQUEST)
class LoggedRequestOutput(serializers.Serializer[Any]):
    """What is known of a request: counts, charge and times, nothing of its content."""

    request_id = serializers.UUIDField()
    admitted_at = serializers.DateTimeField()
    tenant_id = serializers.IntegerField()
    project_id = serializers.IntegerField()
    project = serializers.CharField(allow_null=True, help_text="Its slug.")
    key_id = serializers.IntegerField()
    key = serializers.CharField(
        allow_null=True, help_text="What may be shown of the API key."
    )
    model = serializers.CharField()
    status = serializers.ChoiceField(
        choices=list(STATUSES), help_text="How the request ended."
    )
    surface = serializers.ChoiceField(
        choices=[each.name.lower() for each in Surface],
        help_text="What was called.",
    )
    streamed = serializers.BooleanField()
    counted_by = serializers.ChoiceField(
        choices=[each.name.lower() for each in CountedBy],
        help_text="Who counted the tokens.",
    )
    input_tokens = serializers.IntegerField(
        help_text="Prompt tokens that were not cached."
    )
    cached_input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField(help_text="Inside `output_tokens`.")
    charge_picos = serializers.CharField(
        help_text="As it was metered; exact, in 10^-12 of the currency's unit."
    )
    charge = serializers.CharField(help_text="The same amount as an exact decimal.")
    net_charge_picos = serializers.CharField(
        help_text="What is left of the charge after all corrections of this request."
    )
    net_charge = serializers.CharField()
    currency = serializers.CharField()
    first_token_ms = serializers.FloatField(
        allow_null=True,
        help_text="From the request's arrival; null where there was none.",
    )
    duration_ms = serializers.FloatField()


class LogPagination(KeysetPagination):
    """Pages along request ids, newest first. They only go on: `previous` is null."""

    ordering = "-request_id"
    position = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    def before(self, request: Request) -> UUID | None:
        """Return the id that the page ends before, None for the first page."""
        cursor = self.decode_cursor(request)
        return None if cursor is None else UUID(str(cursor.position))

    def answer(self, request: Request, data: Any, before: UUID | None) -> Response:
        """Answer with a page, and where the next one starts."""
        self.base_url = request.build_absolute_uri()
        following = None
        if before is not None:
            # DRF pages by any field, whatever its types say.
            position: Any = str(before)
            following = self.encode_cursor(Cursor(0, reverse=False, position=position))
        return Response({"data": data, "next": following, "previous": None})


class RequestLogView(ManagementViewSet):
    """Single requests, without their content."""

    noun = "request"
    pagination_class = LogPagination
    scopes: ClassVar = {"list": Scope.USAGE_READ}

    @extend_schema(
        operation_id="list_requests",
        parameters=[RequestFilters],
        responses=LoggedRequestOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List a tenant's requests, newest first, without their content.

        A request is here once it has ended. One that was refused was not metered, and
        is not here.

        A page looks at 10,000 requests at most. Where few of them are what was asked
        for, it holds fewer than `limit`, or none, and still has a `next`: the list ends
        where `next` is null.

        A member who is kept to projects sees the requests of those alone.
        """
        asked = self.parse_query(RequestFilters)
        pages = LogPagination()
        size, before = pages.get_page_size(request), pages.before(request)
        tenant = asked.get("tenant")
        status = asked.get("status")
        least_ms = asked.get("min_duration_ms")
        query = RequestQuery(
            tenant_id=require_tenant(tenant.pk if tenant else self.actor.tenant_id),
            start=asked.get("start"),
            end=asked.get("end"),
            project_id=asked.get("project"),
            api_key_id=asked.get("key"),
            model=asked.get("model"),
            status=None if status is None else STATUSES[status],
            request_id=asked.get("request"),
            charge_picos_min=asked.get("min_charge"),
            duration_us_min=None if least_ms is None else least_ms * _US_PER_MS,
            reach=self.actor.project_ids,
        )
        page = requests(query, before=before, size=size)
        return pages.answer(request, [_shown(row) for row in page.rows], page.before)


def _shown(row: LoggedRequest) -> dict[str, Any]:
    plain = (
        *("request_id", "admitted_at", "tenant_id", "project_id", "project", "model"),
        *("streamed", "input_tokens", "cached_input_tokens", "output_tokens"),
        *("reasoning_tokens", "charge", "net_charge", "currency"),
    )
    first = row.first_token_us
    shown = {
        **{name: getattr(row, name) for name in plain},
        "key_id": row.api_key_id,
        "key": row.api_key,
        "charge_picos": str(row.charge_picos),
        "net_charge_picos": str(row.net_charge_picos),
        **{
            name: getattr(row, name).name.lower()
            for name in ("status", "surface", "counted_by")
        },
        "first_token_ms": None if first is None else first / _US_PER_MS,
        "duration_ms": row.duration_us / _US_PER_MS,
    }
    return dict(LoggedRequestOutput(shown).data)
