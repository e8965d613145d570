"""Forms of receivables: an invoice by its number, and what happens to it.

An invoice that the address names is said with what is open and left of it. Failure:
what makes no sense is refused beside its field; the rest is the services'.
"""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from kit.admin import Confirmation
from kit.money import format_minor
from kit.number_fields import WholeField
from metering.billing.models import Invoice
from metering.receivables import selectors
from metering.receivables.crediting import NOT_NET
from metering.receivables.models import CreditNote, Hold, Payment, Refund, WriteOff
from metering.receivables.paying import EXCESS, left_of
from metering.receivables.settling import creditable, facts_of

_OUTLETS = [("", "not said"), *((each.value, each.label) for each in EXCESS)]
_NOTE_OUTLETS = [("", "not said"), *Refund.Outlet.choices]
_LINES = (
    "Positions and minor units before tax, such as 1=1000 4=250; empty for all that is"
    " left."
)
# More lines are seen on the invoice's page.
_LEFT_MAX = 12


class _OfInvoice(forms.ModelForm):  # type: ignore[type-arg]
    """Something that happens to an issued invoice, by its number."""

    invoice = forms.ModelChoiceField(
        queryset=Invoice.objects.filter(number__isnull=False),
        to_field_name="number",
        widget=UnfoldAdminTextInputWidget,
        help_text="The invoice's number.",
        error_messages={"invalid_choice": "There is no such invoice."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.named: Invoice | None = None
        if "invoice" in self.fields and (number := self.initial.get("invoice")):
            issued = Invoice.objects.filter(number=number).select_related("tenant")
            self.named = issued.first()
        if self.named is not None:
            self.fields["invoice"].help_text = _standing(self.named)


class PaymentForm(_OfInvoice):
    """Money that came in for an invoice."""

    excess = forms.ChoiceField(
        choices=_OUTLETS,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Where goes what is more than is open.",
    )

    class Meta:
        model = Payment
        fields = ("amount_minor", "method", "reference", "received_at")


class NoteForm(_OfInvoice):
    """What a credit note takes back of an invoice."""

    lines = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_LINES,
    )
    outlet = forms.ChoiceField(
        choices=_NOTE_OUTLETS,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Where money goes that was paid for what is taken back; charged back"
        " for a top-up alone.",
    )

    class Meta:
        model = CreditNote
        fields = ("reason", "reference")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.named is not None:
            left = _left(self.named)
            self.fields["lines"].help_text = f"Left before tax: {left}. {_LINES}"

    def clean_lines(self) -> dict[int, int] | None:
        """Read positions and amounts."""
        text = self.cleaned_data["lines"].split()
        try:
            pairs = [(int(at), int(minor)) for at, minor in map(_pair, text)]
        except ValueError:
            raise forms.ValidationError("Give pairs such as 1=1000 4=250.") from None
        found = dict(pairs)
        if len(found) != len(pairs):
            raise forms.ValidationError("A line is named twice.")
        return found or None


class HoldForm(_OfInvoice):
    """Why an invoice is not followed up."""

    class Meta:
        model = Hold
        fields = ("kind", "reason")


class WriteOffForm(_OfInvoice):
    """Why what is open of an invoice is given up."""

    class Meta:
        model = WriteOff
        fields = ("reason",)


class RefundForm(Confirmation):
    """What goes back of a payment."""

    amount_minor = WholeField(
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="In the currency's minor unit, such as cents.",
    )
    outlet = forms.ChoiceField(
        label="How",
        choices=Refund.Outlet.choices,
        widget=UnfoldAdminSelectWidget,
    )
    reference = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)

    def consequence(self, object_id: str) -> str:
        """Say what is left, and what follows."""
        row = selectors.payment(int(object_id))
        left = format_minor(left_of(row), row.invoice.currency)
        return f"{left} is left of it. Invoice {row.invoice.number} is open again."


class ReleaseForm(Confirmation):
    """That a hold ends."""

    def consequence(self, object_id: str) -> str:
        """Say what follows."""
        return "The invoice is followed up again, from today on."


def _standing(invoice: Invoice) -> str:
    """Say what was asked for, what became of it, and what is open."""
    facts = facts_of(invoice)
    asked, paid, credited, given_up, left = (
        format_minor(minor, invoice.currency)
        for minor in (
            facts.asked_minor,
            facts.paid_minor,
            facts.credited_minor,
            facts.written_off_minor,
            facts.open_minor,
        )
    )
    return (
        f"{invoice.number} of '{invoice.tenant}', {invoice.state}: {asked} asked for,"
        f" {paid} paid, {credited} credited, {given_up} given up; {left} open."
    )


def _left(invoice: Invoice) -> str:
    """Say what may still be taken back of the first lines."""
    lines = [each for each in creditable(invoice) if each.kind not in NOT_NET]
    said = " ".join(f"{each.position}={each.left_minor}" for each in lines[:_LEFT_MAX])
    return f"{said} ..." if len(lines) > _LEFT_MAX else said


def _pair(text: str) -> tuple[str, str]:
    at, minor = text.split("=")
    return at, minor
