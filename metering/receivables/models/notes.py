"""Credit notes: what of an invoice's own lines, as rounded, is taken back."""

from typing import ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kit.orm.audited import Audited
from metering.billing.models import Invoice, InvoiceLine, Seller


class NoteCounter(models.Model):
    """The last number of a seller's credit notes: a series of their own, gapless."""

    seller = models.OneToOneField(Seller, models.PROTECT, primary_key=True)
    prefix = models.CharField(max_length=12, default="CN-")
    last_number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.prefix}{self.last_number}"


class CreditNote(models.Model):
    """What of an invoice is taken back, tax included; the invoice itself stays.

    Of `amount_minor`, `restored_minor` was paid from credit, and is credit again.
    """

    public_id = models.UUIDField(unique=True, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="notes")
    seller = models.ForeignKey(Seller, models.PROTECT, related_name="+")
    number = models.CharField(max_length=40)
    currency = models.CharField(max_length=3)
    reason = models.CharField(
        max_length=300,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Printed on the note.",
    )
    reference = models.CharField(
        max_length=120,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Issued once under one.",
    )
    amount_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    restored_minor = models.BigIntegerField(default=0)
    # The buyer and the seller as they were when the invoice was issued.
    buyer = models.JSONField(default=dict, blank=True)
    seller_details = models.JSONField(default=dict, blank=True)
    issued_at = models.DateTimeField()
    # A day of the tenant's zone.
    issued_date = models.DateField()
    booked_date = models.DateField(
        null=True,
        editable=False,
        help_text="The day of the tenant's that the books have it on.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("credit_note")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("seller", "number"), name="credit_note_number_unique_in_seller"
            ),
            models.UniqueConstraint(
                fields=("tenant", "reference"), name="credit_note_once"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) & Q(restored_minor__gte=0),
                name="credit_note_is_of_something",
            ),
        )

    def __str__(self) -> str:
        return self.number


class CreditNoteLine(models.Model):
    """What of one line of the invoice is taken back, in the line's own sign."""

    tenant_id = models.BigIntegerField()
    note = models.ForeignKey(CreditNote, models.PROTECT, related_name="lines")
    line = models.ForeignKey(InvoiceLine, models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=InvoiceLine.Kind)
    description = models.CharField(max_length=300)
    amount_minor = models.BigIntegerField()

    class Meta:
        ordering = ("note_id", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("note", "line"), name="credit_note_line_once"
            ),
            models.CheckConstraint(
                condition=~Q(amount_minor=0), name="credit_note_line_is_of_something"
            ),
        )

    def __str__(self) -> str:
        return self.description
