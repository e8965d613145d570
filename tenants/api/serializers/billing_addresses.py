"""What the management API takes and shows of billing addresses."""

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import billing_addresses as examples
from tenants.api.serializers.references import TenantReference
from tenants.models import BillingAddress, Tenant


@example(examples.BILLING_ADDRESS)
class BillingAddressOutput(serializers.ModelSerializer[BillingAddress]):
    """An address that a tenant wants its bills sent to: never the link that asks."""

    # Not an e-mail field: whoever is forgotten has none.
    email = serializers.CharField(
        read_only=True, help_text="Empty once the person was forgotten."
    )
    state = serializers.ChoiceField(
        choices=BillingAddress.State.choices,
        read_only=True,
        help_text="Bills go to `confirmed` ones alone.",
    )

    class Meta:
        model = BillingAddress
        fields = (
            "id",
            "tenant",
            "email",
            "state",
            "asked",
            "asked_at",
            "confirmed_at",
            "removed_at",
            "created_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "asked": {"help_text": "How many mails have asked for an answer."},
            "asked_at": {"help_text": "When the last of them was asked for."},
        }


@example(examples.NEW_BILLING_ADDRESS)
class BillingAddressCreate(Input):
    """An address that bills shall go to."""

    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        help_text="Operators name it; for a tenant's own token it is the tenant.",
    )
    email = serializers.CharField(max_length=254, help_text="Where the mail asks.")


class BillingAddressFilters(Filters):
    """What billing addresses may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    email = serializers.CharField(required=False, help_text="The whole address.")
    confirmed = serializers.BooleanField(required=False)
    removed = serializers.BooleanField(required=False)
