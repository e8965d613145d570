"""What goes in and out of the contract endpoints. Nothing is decided here."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from metering.pricing.api import examples
from metering.pricing.api.serializers import (
    PercentInput,
    PercentOutput,
    QuoteInput,
    QuoteOutput,
)
from metering.pricing.models import Contract, PriceBook
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

_OFF_ALL = "Off every price of the book that the contract does not name."
_OFF_ONE = "Off the book's price of this model, in place of three quotes."


class PriceBookReference(serializers.PrimaryKeyRelatedField[PriceBook]):
    """A price book by its id."""

    default_error_messages = {"does_not_exist": "There is no price book {pk_value}."}


class ContractFilters(Filters):
    """What the list of contracts may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    price_book = serializers.IntegerField(required=False, min_value=1)


class AgreedInput(Input):
    """What a contract says of one served model: three quotes, or a percentage."""

    model = serializers.CharField(max_length=128, help_text="Its public name.")
    input_per_million = QuoteInput(required=False, allow_null=True)
    cached_input_per_million = QuoteInput(required=False, allow_null=True)
    output_per_million = QuoteInput(required=False, allow_null=True)
    discount_percent = PercentInput(required=False, allow_null=True, help_text=_OFF_ONE)


class AgreedOutput(serializers.Serializer[Any]):
    """What a contract says of one served model."""

    model = serializers.CharField()
    input_per_million = QuoteOutput(source="input_picos", allow_null=True)
    cached_input_per_million = QuoteOutput(source="cached_input_picos", allow_null=True)
    output_per_million = QuoteOutput(source="output_picos", allow_null=True)
    discount_percent = PercentOutput(allow_null=True)


@example(examples.NEW_CONTRACT)
class ContractInput(Input):
    """A new contract, a draft until it is signed."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    name = serializers.CharField(max_length=80)
    price_book = PriceBookReference(queryset=PriceBook.objects.all())
    starts_at = serializers.DateTimeField(help_text="The first instant that it holds.")
    ends_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Without: until ended."
    )
    discount_percent = PercentInput(required=False, help_text=_OFF_ALL)
    prices = AgreedInput(many=True, required=False, default=list)


@example(examples.CONTRACT_CHANGES)
class ContractChanges(Input):
    """What may change of a draft; what is left out stays."""

    name = serializers.CharField(max_length=80, required=False)
    starts_at = serializers.DateTimeField(required=False)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    discount_percent = PercentInput(required=False, help_text=_OFF_ALL)


@example(examples.AGREED_PRICES)
class AgreedPricesInput(Input):
    """All that a contract says of single models."""

    prices = AgreedInput(many=True, allow_empty=True)


@example(examples.CONTRACT_END)
class ContractEnd(Input):
    """When a contract ends, earlier than agreed."""

    ends_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="If left out, it ends now.",
    )


@example(examples.CONTRACT)
class ContractOutput(serializers.Serializer[Any]):
    """A tenant's own prices for a span of time."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    name = serializers.CharField()
    price_book = serializers.IntegerField(source="base_id")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    discount_percent = PercentOutput()
    prices = AgreedOutput(many=True)
    state = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    signed_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="When it ended, where that was earlier than agreed."
    )
    derived_price_book = serializers.SerializerMethodField()

    @extend_schema_field({"type": "string", "enum": ["draft", "signed", "ended"]})
    def get_state(self, contract: Contract) -> str:
        """Return whether it may still change, and whether it was ended."""
        return contract.state

    @extend_schema_field(
        {
            "type": ["integer", "null"],
            "description": "The book that holds its prices, once it is signed.",
        }
    )
    def get_derived_price_book(self, contract: Contract) -> int | None:
        """Return the id of the book that was derived for it."""
        book: PriceBook | None = getattr(contract, "book", None)
        return book.pk if book else None
