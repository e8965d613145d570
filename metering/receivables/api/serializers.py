"""What the management API takes and shows of payments, notes and what is open.

Amounts are whole numbers of the invoice's minor unit, as its payer was asked for them.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from metering.billing.models import Invoice, InvoiceLine
from metering.receivables.api import examples
from metering.receivables.holding import open_hold
from metering.receivables.models import DunningStep, Hold, Payment, Refund
from metering.receivables.paying import EXCESS
from metering.receivables.settling import facts_of
from tenants.api.serializers.references import TenantField

_MINOR = "In the currency's minor unit."
_EXCESS_HELP = (
    "Where goes what is more than is open: to the payer, or into the tenant's credit."
)
_EXCESS = [each.value for each in EXCESS]
_INT_MAX = 2**63 - 1
_LINES_MAX = 10_000


def _minor(text: str = "", **kwargs: Any) -> serializers.IntegerField:
    return serializers.IntegerField(help_text=f"{text} {_MINOR}".strip(), **kwargs)


class InvoiceReference(serializers.PrimaryKeyRelatedField[Invoice]):
    """An issued invoice by its id."""

    default_error_messages = {
        "does_not_exist": "There is no invoice {pk_value} that was issued."
    }

    def __init__(self, **kwargs: Any) -> None:
        rows = Invoice.objects.filter(number__isnull=False)
        super().__init__(queryset=rows, **kwargs)


class PaymentFilters(Filters):
    """What payments may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    invoice = serializers.IntegerField(
        required=False, min_value=1, max_value=_INT_MAX, help_text="An invoice's id."
    )
    reference = serializers.CharField(required=False, max_length=120)


@example(examples.NEW_PAYMENT)
class PaymentInput(Input):
    """What came in for an invoice."""

    invoice = InvoiceReference()
    amount_minor = _minor("All that came in.", min_value=1, max_value=_INT_MAX)
    reference = serializers.CharField(
        max_length=120, help_text="Of the transfer, say: recorded once for a tenant."
    )
    received_at = serializers.DateTimeField()
    method = serializers.ChoiceField(choices=Payment.Method.choices, required=False)
    excess = serializers.ChoiceField(
        choices=_EXCESS, required=False, help_text=_EXCESS_HELP
    )


@example(examples.PAYMENT)
class PaymentOutput(serializers.Serializer[Any]):
    """What came in for an invoice; what went back of it is among the refunds."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    invoice = serializers.IntegerField(source="invoice_id")
    invoice_number = serializers.CharField(source="invoice.number")
    currency = serializers.CharField(source="invoice.currency")
    amount_minor = _minor()
    method = serializers.ChoiceField(choices=Payment.Method.choices)
    reference = serializers.CharField()
    received_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


class RefundFilters(Filters):
    """What refunds may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    payment = serializers.IntegerField(
        required=False, min_value=1, max_value=_INT_MAX, help_text="A payment's id."
    )
    outlet = serializers.ChoiceField(choices=Refund.Outlet.choices, required=False)


@example(examples.NEW_REFUND)
class RefundInput(Input):
    """What goes back of a payment, or was taken back by a bank."""

    amount_minor = _minor(min_value=1, max_value=_INT_MAX)
    outlet = serializers.ChoiceField(choices=Refund.Outlet.choices)
    reference = serializers.CharField(
        max_length=120, help_text="Made once under one, within a tenant."
    )
    reason = serializers.CharField(max_length=300)


@example(examples.REFUND)
class RefundOutput(serializers.Serializer[Any]):
    """What went back of a payment."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    payment = serializers.IntegerField(source="payment_id")
    invoice = serializers.IntegerField(source="payment.invoice_id")
    currency = serializers.CharField(source="payment.invoice.currency")
    amount_minor = _minor()
    outlet = serializers.ChoiceField(choices=Refund.Outlet.choices)
    reference = serializers.CharField()
    reason = serializers.CharField()
    refunded_at = serializers.DateTimeField()


class NoteFilters(Filters):
    """What credit notes may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    invoice = serializers.IntegerField(
        required=False, min_value=1, max_value=_INT_MAX, help_text="An invoice's id."
    )
    number = serializers.CharField(required=False, max_length=40)


class NoteLineInput(Input):
    """What of one line is taken back, before tax."""

    position = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    amount_minor = _minor(
        "In the line's own sign.", min_value=-_INT_MAX, max_value=_INT_MAX
    )


@example(examples.NEW_NOTE)
class NoteInput(Input):
    """What is taken back of an invoice, and why."""

    invoice = InvoiceReference()
    reason = serializers.CharField(max_length=300, help_text="Printed on the note.")
    reference = serializers.CharField(
        max_length=120, help_text="Issued once under one, within a tenant."
    )
    lines = serializers.ListField(
        child=NoteLineInput(),
        required=False,
        allow_null=True,
        max_length=_LINES_MAX,
        help_text="Null for all that is left.",
    )
    outlet = serializers.ChoiceField(
        choices=Refund.Outlet.choices,
        required=False,
        help_text="Where money goes that was paid for what is taken back. Charged back"
        " is for a top-up alone, which is not kept as credit once it is paid.",
    )


class NoteLineOutput(serializers.Serializer[Any]):
    """What of one line was taken back."""

    position = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=InvoiceLine.Kind.choices)
    description = serializers.CharField()
    amount_minor = _minor()


@example(examples.NOTE)
class NoteOutput(serializers.Serializer[Any]):
    """What was taken back of an invoice."""

    id = serializers.IntegerField()
    public_id = serializers.UUIDField()
    tenant = serializers.IntegerField(source="tenant_id")
    invoice = serializers.IntegerField(source="invoice_id")
    invoice_number = serializers.CharField(source="invoice.number")
    number = serializers.CharField()
    currency = serializers.CharField()
    reason = serializers.CharField()
    reference = serializers.CharField()
    amount_minor = _minor("Tax included.")
    tax_minor = _minor()
    restored_minor = _minor("What of it credit had paid, and is credit again.")
    issued_at = serializers.DateTimeField()
    issued_date = serializers.DateField()


@example({**examples.NOTE, "lines": examples.NOTE_LINES})
class NoteDetailOutput(NoteOutput):
    """A credit note with its lines."""

    lines = NoteLineOutput(many=True)


class StepFilters(Filters):
    """What steps of dunning may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    invoice = serializers.IntegerField(
        required=False, min_value=1, max_value=_INT_MAX, help_text="An invoice's id."
    )


@example(examples.STEP)
class StepOutput(serializers.Serializer[Any]):
    """What was done about an unpaid invoice."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    invoice = serializers.IntegerField(source="invoice_id")
    invoice_number = serializers.CharField(source="invoice.number")
    kind = serializers.ChoiceField(choices=DunningStep.Kind.choices)
    open_minor = _minor("What was open of it then.")
    taken_at = serializers.DateTimeField()
    mail = serializers.ChoiceField(
        choices=DunningStep.Mail.choices, help_text="What became of its mail."
    )


@example(examples.WRITE_OFF)
class WriteOffInput(Input):
    """Why an invoice is given up."""

    reason = serializers.CharField(max_length=300)


@example(examples.NEW_HOLD)
class HoldInput(Input):
    """Why an invoice is held."""

    kind = serializers.ChoiceField(choices=Hold.Kind.choices)
    reason = serializers.CharField(max_length=300)


@example(examples.STANDING)
class InvoiceStandingOutput(serializers.Serializer[Any]):
    """What is open of an invoice, and what was taken off of it."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    number = serializers.CharField()
    state = serializers.ChoiceField(choices=Invoice.State.choices)
    currency = serializers.CharField()
    amount_minor = _minor("What it asked for.")
    paid_minor = _minor("What came in and stayed.")
    credited_minor = _minor("What credit notes took off.")
    written_off_minor = _minor("What was given up.")
    open_minor = serializers.SerializerMethodField(
        help_text=f"Still to be paid. {_MINOR}"
    )
    due_date = serializers.DateField(allow_null=True)
    held = serializers.ChoiceField(choices=Hold.Kind.choices, allow_null=True)
    held_because = serializers.CharField()

    def to_representation(self, instance: Invoice) -> dict[str, Any]:
        """Lay out an invoice with what holds it."""
        hold = open_hold(instance)
        instance.held = hold.kind if hold else None  # type: ignore[attr-defined]
        instance.held_because = hold.reason if hold else ""  # type: ignore[attr-defined]
        return dict(super().to_representation(instance))

    @extend_schema_field(serializers.IntegerField)
    def get_open_minor(self, invoice: Invoice) -> int:
        """Return what is still to be paid."""
        return facts_of(invoice).open_minor
