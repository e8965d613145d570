"""Money that came in for an invoice, went back, or is given up."""

from typing import ClassVar

from django.core.validators import MinValueValidator, ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kit.orm.audited import Audited
from metering.billing.models import Invoice

REFERENCE_CHARS_MAX = 120
REASON_CHARS_MAX = 300


def _text(length: int, help_text: str) -> "models.CharField[str, str]":
    return models.CharField(
        max_length=length,
        validators=[ProhibitNullCharactersValidator()],
        help_text=help_text,
    )


class Payment(models.Model):
    """Money that came in for one invoice, all of it; what was too much went back."""

    class Method(models.TextChoices):
        TRANSFER = "transfer", "bank transfer"
        CARD = "card"
        DIRECT_DEBIT = "direct_debit", "direct debit"
        CASH = "cash"
        OTHER = "other"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="payments")
    amount_minor = models.BigIntegerField(validators=[MinValueValidator(1)])
    method = models.CharField(max_length=16, choices=Method, default=Method.TRANSFER)
    reference = _text(
        REFERENCE_CHARS_MAX, "Of the transfer, say: recorded once under one."
    )
    received_at = models.DateTimeField()
    booked_date = models.DateField(
        null=True,
        editable=False,
        help_text="The day of the tenant's that the books have it on.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("payment")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "reference"), name="payment_once"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="payment_is_of_something"
            ),
        )

    def __str__(self) -> str:
        return self.reference


class Refund(models.Model):
    """Money of a payment that went back: to the payer, or to the tenant's credit."""

    class Outlet(models.TextChoices):
        PAID_BACK = "paid_back", "paid back"
        CREDIT = "credit", "kept as credit"
        CHARGE_BACK = "charge_back", "charged back, or returned unpaid"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField(validators=[MinValueValidator(1)])
    outlet = models.CharField(max_length=16, choices=Outlet)
    reference = _text(REFERENCE_CHARS_MAX, "Made once under one.")
    reason = _text(REASON_CHARS_MAX, "Why, for the records.")
    refunded_at = models.DateTimeField()
    booked_date = models.DateField(
        null=True,
        editable=False,
        help_text="The day of the tenant's that the books have it on.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("refund")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("tenant", "reference"), name="refund_once"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="refund_is_of_something"
            ),
        )

    def __str__(self) -> str:
        return self.reference


class WriteOff(models.Model):
    """What of an invoice is given up; negative where it came in, or was credited."""

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="write_offs")
    amount_minor = models.BigIntegerField()
    reason = _text(REASON_CHARS_MAX, "Why, for the records.")
    written_off_at = models.DateTimeField()
    booked_date = models.DateField(
        null=True,
        editable=False,
        help_text="The day of the tenant's that the books have it on.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("write_off")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(amount_minor=0), name="write_off_is_of_something"
            ),
        )

    def __str__(self) -> str:
        return f"write-off {self.pk}"
