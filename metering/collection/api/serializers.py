"""What the management API takes and shows of payments through a provider.

Amounts are whole numbers of the currency's minor unit, as invoices are.
"""

from typing import Any

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from metering.collection.api import examples
from metering.collection.models import PaymentMethod, PortalLink, Purchase
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

_AMOUNT_MAX = 10**15
_MINOR = "In the currency's minor unit"
_OWN = "A tenant's token has its own."


class MethodFilters(Filters):
    """What payment methods may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")


class CheckoutFilters(MethodFilters):
    """What checkouts may be narrowed by."""

    state = serializers.ChoiceField(choices=Purchase.State.choices, required=False)


@example(examples.CHECKOUT)
class CheckoutOutput(serializers.Serializer[Purchase]):
    """A page of the provider's on which a person pays for credit."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    top_up = serializers.IntegerField(source="top_up_id")
    state = serializers.ChoiceField(choices=Purchase.State.choices)
    amount_minor = serializers.IntegerField(
        source="top_up.amount_minor", help_text=f"The credit. {_MINOR}, before tax."
    )
    tax_minor = serializers.IntegerField(
        allow_null=True, help_text=f"{_MINOR}; null until it is quoted."
    )
    total_minor = serializers.IntegerField(
        allow_null=True, help_text=f"What is paid. {_MINOR}; null until it is quoted."
    )
    currency = serializers.CharField()
    url = serializers.CharField(
        allow_null=True, help_text="Where it is paid, while it can be; else null."
    )
    problem = serializers.CharField(help_text="What became of it; else empty.")
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Purchase) -> dict[str, Any]:
        """Show what is not there yet, or no more, as null."""
        shown = dict(super().to_representation(instance))
        if instance.quoted_at is None:
            shown |= {"tax_minor": None, "total_minor": None}
        if instance.state != Purchase.State.OPEN:
            shown["url"] = None
        return shown


@example(examples.NEW_CHECKOUT)
class CheckoutInput(Input):
    """Credit to be paid for by a person: an amount of it, or a top-up that waits."""

    tenant = TenantReference(
        queryset=Tenant.objects.all(), required=False, help_text=_OWN
    )
    amount_minor = serializers.IntegerField(
        min_value=1,
        max_value=_AMOUNT_MAX,
        required=False,
        help_text=f"{_MINOR}, before tax.",
    )
    top_up = serializers.IntegerField(
        min_value=1,
        required=False,
        help_text="A top-up that is due, instead of an amount.",
    )


@example(examples.METHOD)
class MethodOutput(serializers.Serializer[PaymentMethod]):
    """What a tenant can pay with, as far as people recognise it."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    account = serializers.CharField(help_text="At which of the provider's accounts.")
    kind = serializers.CharField(help_text="Such as card or sepa_debit.")
    brand = serializers.CharField(help_text="Of the card, or the bank; may be empty.")
    last4 = serializers.CharField()
    exp_month = serializers.IntegerField(allow_null=True)
    exp_year = serializers.IntegerField(allow_null=True)
    is_default = serializers.BooleanField(
        help_text="Whether it pays invoices, and credit that is bought by rule."
    )


@example(examples.PORTAL_LINK)
class PortalLinkOutput(serializers.Serializer[PortalLink]):
    """A link to the provider's page for customers."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    state = serializers.ChoiceField(choices=PortalLink.State.choices)
    url = serializers.CharField(
        allow_null=True,
        help_text="Whoever has it is let in, for minutes; null until it is made.",
    )
    problem = serializers.CharField(help_text="Why it could not be made; else empty.")
    asked_at = serializers.DateTimeField()

    def to_representation(self, instance: PortalLink) -> dict[str, Any]:
        """Show what is not there yet as null."""
        shown = dict(super().to_representation(instance))
        return shown | {"url": instance.url or None}


@example(examples.NEW_PORTAL_LINK)
class PortalLinkInput(Input):
    """Whose page is to be opened."""

    tenant = TenantReference(
        queryset=Tenant.objects.all(), required=False, help_text=_OWN
    )
