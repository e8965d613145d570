"""What the management API shows of invoices.

Exact amounts are text, in picos and as decimals; what is charged is a whole number of
the currency's minor unit, as the payer is asked for it.
"""

import datetime as dt
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.contracts import TokenClass
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import decimal_from_picos
from metering.billing.api import examples
from metering.billing.models import Invoice, InvoiceLine
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

BILLED_CLASSES = [
    token_class.name.lower()
    for token_class in (TokenClass.INPUT, TokenClass.CACHED_INPUT, TokenClass.OUTPUT)
]


class InvoiceFilters(Filters):
    """What invoices may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    state = serializers.ChoiceField(choices=Invoice.State.choices, required=False)
    number = serializers.CharField(
        required=False, max_length=40, help_text="The number that is printed on it."
    )
    currency = serializers.CharField(required=False, max_length=3)
    issued = serializers.BooleanField(
        required=False, help_text="Whether it is more than a draft."
    )
    from_date = serializers.DateField(
        required=False, help_text="Of periods with a day on this date or later."
    )
    before_date = serializers.DateField(
        required=False, help_text="Of periods with a day before this date."
    )


class ExactOutput(serializers.Serializer[Any]):
    """An amount twice: exactly, and as it is charged."""

    exact_picos = serializers.CharField(
        help_text="Exact, in 10^-12 of the currency's unit."
    )
    exact = serializers.SerializerMethodField(
        help_text="The exact amount as a decimal."
    )
    amount_minor = serializers.IntegerField(
        help_text="What is charged, in the currency's minor unit."
    )

    def get_exact(self, row: Invoice | InvoiceLine) -> str:
        """Return the exact amount as a plain decimal."""
        return decimal_from_picos(row.exact_picos)


class LineOutput(ExactOutput):
    """One reason of the amount: use of a price and class, a fee, a discount, a tax."""

    position = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=InvoiceLine.Kind.choices)
    description = serializers.CharField()
    model = serializers.CharField()
    token_class = serializers.SerializerMethodField(
        help_text="Of what use it is a line, if of any."
    )
    quantity = serializers.IntegerField(help_text="Tokens.")
    price_id = serializers.IntegerField(allow_null=True)
    price_per_million = serializers.SerializerMethodField()

    @extend_schema_field({"type": "string", "enum": [*BILLED_CLASSES, ""]})
    def get_token_class(self, line: InvoiceLine) -> str:
        """Return the class as usage names it."""
        return line.class_name

    def get_price_per_million(self, line: InvoiceLine) -> str:
        """Return the price as it is quoted."""
        return line.price_per_million


@example(examples.INVOICE)
class InvoiceOutput(ExactOutput):
    """What a tenant owes for a period. It has a number once it is issued."""

    id = serializers.IntegerField()
    public_id = serializers.UUIDField()
    tenant = serializers.IntegerField(source="tenant_id")
    number = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(choices=Invoice.State.choices)
    problem = serializers.CharField(help_text="Why it is held as a draft, if it is.")
    kind = serializers.ChoiceField(choices=Invoice.Kind.choices)
    first_date = serializers.DateField(
        source="period.first_date", allow_null=True, default=None
    )
    end_date = serializers.DateField(
        source="period.end_date",
        allow_null=True,
        default=None,
        help_text="The first date not in it.",
    )
    currency = serializers.CharField()
    lines_sha256 = serializers.CharField()
    provider = serializers.CharField()
    provider_account = serializers.CharField(
        help_text="Which of our accounts at the provider it goes through."
    )
    provider_reference = serializers.CharField()
    hosted_url = serializers.CharField(help_text="Where the payer sees it.")
    created_at = serializers.DateTimeField()
    issued_at = serializers.DateTimeField(allow_null=True)
    due_date = serializers.DateField(allow_null=True)
    subtotal_minor = serializers.IntegerField(
        help_text="Before credit and tax, in the currency's minor unit."
    )
    tax_minor = serializers.IntegerField(help_text="The tax in what is charged.")
    paid_minor = serializers.IntegerField(help_text="What was paid of it so far.")
    credited_minor = serializers.IntegerField(
        help_text="What credit notes took off it."
    )
    written_off_minor = serializers.IntegerField(
        help_text="What is not expected any more."
    )
    carried_minor = serializers.IntegerField(
        help_text="What the provider carried to the next invoice: too little to be"
        " asked for by itself. It stays open until that one is paid."
    )
    payment_failure = serializers.SerializerMethodField(
        help_text="Why the provider's last attempt to be paid failed, in words for its"
        " payer; empty once it is paid."
    )
    next_attempt_at = serializers.SerializerMethodField(
        help_text="When the provider tries again by itself, if it does."
    )

    @extend_schema_field(serializers.CharField)
    def get_payment_failure(self, invoice: Invoice) -> str:
        """Return what was read at the provider, while it is to be paid."""
        return getattr(_standing(invoice), "failure", "")

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_next_attempt_at(self, invoice: Invoice) -> dt.datetime | None:
        """Return what was read at the provider, while it is to be paid."""
        return getattr(_standing(invoice), "next_attempt_at", None)


def _standing(invoice: Invoice) -> object:
    """Return how an open invoice stands at its provider, as collection last read it."""
    is_open = invoice.state == Invoice.State.OPEN
    return getattr(invoice, "standing", None) if is_open else None


class ProfileFilters(Filters):
    """What billing profiles may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")


@example(examples.NEW_PROFILE)
class ProfileInput(Input):
    """Who a tenant is on its invoices; what is not given stays."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    legal_name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    address = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text="In lines, as it is printed.",
    )
    country = serializers.CharField(
        max_length=2, required=False, allow_blank=True, help_text="ISO 3166, as DE."
    )
    region = serializers.CharField(max_length=20, required=False, allow_blank=True)
    tax_id = serializers.CharField(max_length=40, required=False, allow_blank=True)
    po_number = serializers.CharField(
        max_length=60,
        required=False,
        allow_blank=True,
        help_text="The purchase order that invoices name.",
    )


@example(examples.PROFILE)
class ProfileOutput(serializers.Serializer[Any]):
    """Who a tenant is on its invoices."""

    tenant = serializers.IntegerField(source="tenant_id")
    legal_name = serializers.CharField(help_text="Its name here, if empty.")
    address = serializers.CharField()
    country = serializers.CharField()
    region = serializers.CharField()
    tax_id = serializers.CharField()
    po_number = serializers.CharField()


@example({**examples.INVOICE, "lines": [examples.LINE]})
class InvoiceDetailOutput(InvoiceOutput):
    """An invoice with its lines."""

    lines = serializers.SerializerMethodField()

    @extend_schema_field(LineOutput(many=True))
    def get_lines(self, invoice: Invoice) -> Any:
        """Return the lines that the view was handed, in order."""
        return LineOutput(self.context["lines"], many=True).data
