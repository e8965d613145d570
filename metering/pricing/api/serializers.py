"""What goes in and out of the price book endpoints. Nothing is decided here.

Prices travel as quotes per million tokens, in text: a JSON number may pass through a
float, and no float holds money.
"""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import quote_per_million
from metering.pricing.api import examples
from metering.pricing.models import PriceBookVersion
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
_PERCENT_HELP = "Per cent, a decimal of at most four places, as text."
_QUOTE_HELP = "Per million tokens, a decimal of at most six places, as text."


@extend_schema_field(OpenApiTypes.STR)
class QuoteInput(serializers.CharField):
    """A price as text; a JSON number is refused, for it may have been rounded."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 30, "help_text": _QUOTE_HELP, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return the text as it is; the service judges it."""
        if not isinstance(data, str):
            message = f'Give the price as text, such as "{data}".'
            raise serializers.ValidationError(message, code="invalid")
        return str(super().to_internal_value(data))


@extend_schema_field(OpenApiTypes.STR)
class PercentInput(serializers.Field[Decimal, Any, str, Any]):
    """A percentage as text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"help_text": _PERCENT_HELP, **kwargs})

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the exact percentage; the service judges how much it may be."""
        if not isinstance(data, str) or not _PERCENT.fullmatch(data):
            raise serializers.ValidationError(
                'Give a decimal of at most four places, as text, such as "12.5".'
            )
        return Decimal(data)


@extend_schema_field(OpenApiTypes.STR)
class PercentOutput(serializers.Field[Decimal, Any, str, Any]):
    """A percentage, shown without zeros that say nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, help_text=_PERCENT_HELP, **kwargs)

    def to_representation(self, value: Decimal) -> str:
        """Return the text."""
        return f"{value.normalize():f}"


@extend_schema_field(OpenApiTypes.STR)
class QuoteOutput(serializers.Field[int, Any, str, Any]):
    """Whole picos per token, shown as a price per million tokens."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, help_text=_QUOTE_HELP, **kwargs)

    def to_representation(self, value: int) -> str:
        """Return the quote."""
        return quote_per_million(value)


class PriceBookFilters(Filters):
    """What the list of price books may be narrowed by."""

    currency = serializers.CharField(required=False, max_length=3)


@example(examples.NEW_PRICE_BOOK)
class PriceBookInput(Input):
    """A new price book."""

    name = serializers.CharField(max_length=100)
    currency = serializers.CharField(max_length=3, help_text="ISO 4217, such as USD.")
    is_default = serializers.BooleanField(
        default=False,
        help_text="Applies to tenants of this currency without a book of their own.",
    )


@example(examples.PRICE_BOOK)
class PriceBookOutput(serializers.Serializer[Any]):
    """A price book."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    currency = serializers.CharField()
    is_default = serializers.BooleanField()
    contract = serializers.IntegerField(
        source="derived_for_id",
        allow_null=True,
        help_text="The contract whose prices it holds.",
    )
    created_at = serializers.DateTimeField()


@example(examples.NEW_ASSIGNMENT)
class AssignmentInput(Input):
    """The tenant that shall pay by a book, and when."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    starts_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="From when on; if left out, from now on.",
    )
    ends_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Until when; if left out, until another book is assigned.",
    )


@example(examples.ASSIGNMENT_END)
class AssignmentEndInput(Input):
    """When a tenant pays by its book no more."""

    ends_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="If left out, it ends now.",
    )


class AssignmentFilters(Filters):
    """What the list of assignments may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    price_book = serializers.IntegerField(required=False, min_value=1)


@example(examples.ASSIGNMENT)
class AssignmentOutput(serializers.Serializer[Any]):
    """Which book a tenant pays by, and when: half-open, without an end for good."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    price_book = serializers.IntegerField(source="book_id")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)


class PriceInput(Input):
    """What one served model costs."""

    model = serializers.CharField(max_length=128, help_text="Its public name.")
    input_per_million = QuoteInput()
    cached_input_per_million = QuoteInput(
        required=False,
        allow_null=True,
        default=None,
        help_text=_QUOTE_HELP + " If left out, it follows from the version's discount.",
    )
    output_per_million = QuoteInput()


class PriceOutput(serializers.Serializer[Any]):
    """What one served model costs; `id` is what usage events name."""

    id = serializers.IntegerField()
    model = serializers.CharField()
    input_per_million = QuoteOutput(source="input_picos")
    cached_input_per_million = QuoteOutput(source="cached_input_picos")
    output_per_million = QuoteOutput(source="output_picos")
    follows = serializers.BooleanField(
        help_text="Whether it follows from another model's price by a discount."
    )


@example(examples.NEW_PRICES)
class PricesInput(Input):
    """All prices of a draft: a model that is not listed has none any more."""

    prices = PriceInput(many=True, allow_empty=True)


@example(examples.NEW_VERSION)
class VersionInput(Input):
    """A new draft of a book."""

    effective_at = serializers.DateTimeField(
        help_text="When it begins, once published."
    )
    copy_from = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        help_text="Number of the version whose prices the draft starts with.",
    )


@example(examples.VERSION_CHANGES)
class VersionChanges(Input):
    """What may change of a draft besides its prices; what is left out stays."""

    effective_at = serializers.DateTimeField(required=False)
    cached_input_discount_percent = PercentInput(
        required=False,
        allow_null=True,
        help_text="Off the input price, where no cached one is quoted.",
    )
    batch_discount_percent = PercentInput(
        required=False, allow_null=True, help_text="Makes the prices of <model>@batch."
    )
    answer_cache_discount_percent = PercentInput(
        required=False, allow_null=True, help_text="Makes the prices of <model>@cache."
    )


@example(examples.PUBLICATION)
class PublishInput(Input):
    """How to publish a draft."""

    drop = serializers.ListField(
        child=serializers.CharField(max_length=128),
        default=list,
        help_text="Models listed before that shall have no price any more.",
    )


@example(examples.VERSION)
class VersionOutput(serializers.Serializer[Any]):
    """A version of a book, with its prices."""

    id = serializers.IntegerField()
    number = serializers.IntegerField()
    state = serializers.SerializerMethodField()
    effective_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)
    cached_input_discount_percent = PercentOutput(allow_null=True)
    batch_discount_percent = PercentOutput(allow_null=True)
    answer_cache_discount_percent = PercentOutput(allow_null=True)
    derived_from = serializers.IntegerField(
        source="derived_from_id",
        allow_null=True,
        help_text="The id of the version that a contract's terms were applied to.",
    )
    prices = PriceOutput(many=True)

    @extend_schema_field(
        {"type": "string", "enum": ["draft", "published", "corrective"]}
    )
    def get_state(self, version: PriceBookVersion) -> str:
        """Return whether the version may still change, and is ever in force."""
        return version.state
