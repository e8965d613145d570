"""What a provider holds of our invoices, as it was last read there.

Facts are rows of receivables; these rows say which of a provider's objects they came
from, and how those stood. A row that was read later is not overwritten by one that was
read earlier.
"""

from django.db import models
from django.db.models import Q

from metering.billing.models import Invoice
from metering.receivables.models import Payment

ACCOUNT_CHARS_MAX = 40
REFERENCE_CHARS_MAX = 255
TEXT_CHARS_MAX = 500


def _reference() -> "models.CharField[str, str]":
    return models.CharField(max_length=REFERENCE_CHARS_MAX)


class ProviderPayment(models.Model):
    """Which of a provider's payments a payment of ours is, or a part of.

    `reference` names what was paid there, `intent` and `charge` what refunds and
    disputes are about.
    """

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    payment = models.OneToOneField(
        Payment, models.PROTECT, related_name="at_provider", primary_key=True
    )
    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    reference = _reference()
    intent = models.CharField(max_length=REFERENCE_CHARS_MAX, blank=True)
    charge = models.CharField(max_length=REFERENCE_CHARS_MAX, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=("account", "reference"), name="provider_payment_of"),
            models.Index(
                fields=("account", "intent"),
                condition=~Q(intent=""),
                name="provider_payment_intent",
            ),
            models.Index(
                fields=("account", "charge"),
                condition=~Q(charge=""),
                name="provider_payment_charge",
            ),
        )

    def __str__(self) -> str:
        return self.reference


class Standing(models.Model):
    """How an invoice stands at its provider, and where that is not how it stands here.

    Amounts are in the currency's minor unit.
    """

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.OneToOneField(
        Invoice, models.PROTECT, related_name="standing", primary_key=True
    )
    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    reference = _reference()
    status = models.CharField(max_length=20)
    remaining_minor = models.BigIntegerField()
    attempt_count = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(
        max_length=TEXT_CHARS_MAX,
        blank=True,
        help_text="Why the last attempt to be paid failed.",
    )
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="When that was seen first."
    )
    difference = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)
    differs_since = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(difference="", differs_since=None)
                | (~Q(difference="") & Q(differs_since__isnull=False)),
                name="standing_differs_since_a_moment",
            ),
        )
        indexes = (
            models.Index(
                fields=("differs_since",),
                condition=~Q(difference=""),
                name="standing_differs",
            ),
            models.Index(
                fields=("-failed_at",),
                condition=~Q(failure=""),
                name="standing_failed_lately",
            ),
        )

    def __str__(self) -> str:
        return f"{self.reference}: {self.status}"


class ProviderRefund(models.Model):
    """A refund at a provider, and how it stood; what it took back is a refund here."""

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    reference = _reference()
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=20)
    failure = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("account", "reference"), name="provider_refund_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.reference}: {self.status}"


class Dispute(models.Model):
    """A payment that its payer's bank disputes; evidence is handed in there."""

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    reference = _reference()
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="disputes")
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=24)
    reason = models.CharField(max_length=100, blank=True)
    opened_at = models.DateTimeField()
    evidence_due_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("account", "reference"), name="provider_dispute_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.reference}: {self.status}"
