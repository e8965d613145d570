"""The request log over HTTP: parse the question, ask the selector, render the page."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kit.contracts import CountedBy, EventStatus, Surface
from kit.drf.pagination import ForwardPagination
from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.drf.views import ManagementViewSet
from kit.handling import KeyPart
from kit.money import AmountFormatError, picos_from_decimal
from kit.scopes import Scope
from metering.usage.api.examples import REQUEST
from metering.usage.api.fields import BoundField
from metering.usage.request_log import (
    CHARGE_PICOS_MAX,
    LoggedRequest,
    RequestQuery,
    requests,
    require_tenant,
)
from tenants.api.serializers.references import TenantField

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
    attempts = serializers.IntegerField(
        allow_null=True,
        help_text="Replicas that it was sent to, one after another: 0 where its answer "
        "was kept from before; null where nobody noted it.",
    )
    held_input_tokens = serializers.IntegerField(
        allow_null=True,
        help_text="Held when it was let in: 0 where no budget, quota or credit bounds "
        "it; null where nobody noted it.",
    )
    held_output_tokens = serializers.IntegerField(allow_null=True)
    idempotency_key = serializers.ChoiceField(
        choices=[each.value for each in KeyPart],
        allow_null=True,
        help_text="The part that an `Idempotency-Key` had: `none` was sent; it was the "
        "`first` attempt with it; a `retry` of an earlier one; or an attempt that was "
        "`given_back`, since a later one took its place.",
    )


class LogPagination(ForwardPagination):
    """Pages along request ids, newest first."""

    ordering = "-request_id"
    position = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


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
        page = requests(query, before=UUID(before) if before else None, size=size)
        return pages.answer(request, [logged(row) for row in page.rows], page.before)


def logged(row: LoggedRequest) -> dict[str, Any]:
    """Return what is shown of a request."""
    plain = (
        *("request_id", "admitted_at", "tenant_id", "project_id", "project", "model"),
        *("streamed", "input_tokens", "cached_input_tokens", "output_tokens"),
        *("reasoning_tokens", "charge", "net_charge", "currency"),
    )
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
        "first_token_ms": milliseconds(row.first_token_us),
        "duration_ms": milliseconds(row.duration_us),
        "attempts": row.handling.attempts,
        "held_input_tokens": row.handling.held_input_tokens,
        "held_output_tokens": row.handling.held_output_tokens,
        "idempotency_key": row.key_part,
    }
    return dict(LoggedRequestOutput(shown).data)


def milliseconds(span_us: int | None) -> float | None:
    """Return a span as it is shown; None is what was not measured."""
    return None if span_us is None else span_us / _US_PER_MS
