"""What the management API takes and shows of exports."""

from typing import Any, ClassVar

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from metering.exports.api import examples
from metering.exports.models import Export, Form, Subject
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

_STATES = Export.State.choices


class ExportFilters(Filters):
    """What exports may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    subject = serializers.ChoiceField(choices=Subject.choices, required=False)
    state = serializers.ChoiceField(choices=_STATES, required=False)


@example(examples.EXPORT)
class ExportOutput(serializers.ModelSerializer[Export]):
    """A file that was asked for. Its counts and hash are there once it is ready."""

    tenant = serializers.IntegerField(
        source="tenant_id", allow_null=True, help_text="Null for a file of all tenants."
    )
    subject = serializers.ChoiceField(choices=Subject.choices)
    form = serializers.ChoiceField(choices=Form.choices)
    state = serializers.ChoiceField(choices=_STATES)
    file_name = serializers.CharField()

    class Meta:
        model = Export
        fields: ClassVar = (
            *("id", "tenant", "subject", "form", "first_date", "end_date", "state"),
            *("row_count", "byte_count", "sha256", "complete_to", "problem"),
            *("file_name", "created_at", "made_at", "expires_at"),
        )
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "sha256": {"help_text": "Of all bytes of the file, in hexadecimal."}
        }


@example(examples.NEW_EXPORT)
class ExportCreate(Input):
    """Which file is wanted."""

    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        help_text="A tenant's token has its own; an operator's file is of all without.",
    )
    subject = serializers.ChoiceField(
        choices=Subject.choices,
        help_text="Usage by day, ledger entries or invoice lines.",
    )
    form = serializers.ChoiceField(
        choices=Form.choices,
        default=Form.CSV,
        help_text="Our own columns, or those of FOCUS 1.2.",
    )
    first_date = serializers.DateField(help_text="A billing day.")
    end_date = serializers.DateField(
        help_text="The first day that is not in the file; at most 400 days later."
    )
