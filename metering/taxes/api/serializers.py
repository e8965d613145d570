"""What the management API takes and shows of taxes.

Percentages travel as text: a JSON number may pass through a float.
"""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from metering.taxes.api import examples
from metering.taxes.models import TaxTreatment, percent_text
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
_PERCENT_HELP = "A decimal of at most four places, as text, such as 19 or 9.975."
_COUNTRY_HELP = "ISO 3166, such as DE."
_REGION_HELP = "A part of the country, such as QC; empty for all of it."
_NOTE_HELP = "Printed on invoices: why no tax is charged."


@extend_schema_field(OpenApiTypes.STR)
class PercentInput(serializers.Field[Decimal, Any, str, Any]):
    """A percentage as text."""

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the exact percentage; the service judges how much it may be."""
        if not isinstance(data, str) or not _PERCENT.fullmatch(data):
            raise serializers.ValidationError(
                'Give a decimal of at most four places, as text, such as "19".'
            )
        return Decimal(data)


class RateFilters(Filters):
    """What tax rates may be narrowed by."""

    country = serializers.CharField(required=False, max_length=2)
    region = serializers.CharField(required=False, max_length=8, allow_blank=True)
    at = serializers.DateTimeField(
        required=False, help_text="In force at this instant."
    )


@example(examples.NEW_RATE)
class RateInput(Input):
    """What a place charges, from when on."""

    name = serializers.CharField(max_length=60, help_text="As printed, such as VAT.")
    country = serializers.CharField(max_length=2, help_text=_COUNTRY_HELP)
    region = serializers.CharField(
        max_length=8, required=False, allow_blank=True, help_text=_REGION_HELP
    )
    percent = PercentInput(help_text=_PERCENT_HELP)
    starts_at = serializers.DateTimeField(help_text="The first instant that it holds.")
    ends_at = serializers.DateTimeField(required=False, allow_null=True)


@example(examples.RATE_END)
class RateEnd(Input):
    """When a rate ends."""

    ends_at = serializers.DateTimeField(help_text="Now or later.")


@example(examples.RATE)
class RateOutput(serializers.Serializer[Any]):
    """What a place charges, from when until when."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    country = serializers.CharField(help_text=_COUNTRY_HELP)
    region = serializers.CharField(help_text=_REGION_HELP)
    percent = serializers.SerializerMethodField(help_text=_PERCENT_HELP)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()

    def get_percent(self, row: Any) -> str:
        """Return the percentage without trailing zeros."""
        return percent_text(row.percent)


class TreatmentFilters(Filters):
    """What tax treatments may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    kind = serializers.ChoiceField(choices=TaxTreatment.Kind.choices, required=False)


@example(examples.NEW_TREATMENT)
class TreatmentInput(Input):
    """How a tenant is taxed from an instant on."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    kind = serializers.ChoiceField(choices=TaxTreatment.Kind.choices)
    country = serializers.CharField(
        max_length=2,
        required=False,
        allow_blank=True,
        help_text="Whose rates are charged, where it is taxed.",
    )
    region = serializers.CharField(
        max_length=8, required=False, allow_blank=True, help_text=_REGION_HELP
    )
    note = serializers.CharField(
        max_length=300, required=False, allow_blank=True, help_text=_NOTE_HELP
    )
    starts_at = serializers.DateTimeField(
        required=False, help_text="Now if it is not given."
    )


@example(examples.TREATMENT)
class TreatmentOutput(serializers.Serializer[Any]):
    """How a tenant is taxed, from when until when."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    kind = serializers.ChoiceField(choices=TaxTreatment.Kind.choices)
    country = serializers.CharField()
    region = serializers.CharField()
    note = serializers.CharField(help_text=_NOTE_HELP)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
