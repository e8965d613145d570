"""What was decided here and is told to the provider."""

from django.db import models
from django.db.models import Q

from metering.billing.models import Invoice
from metering.topups.models import PROBLEM_CHARS_MAX


class Outgoing(models.Model):
    """One fact of an invoice on its way to the provider, told once.

    Written with the fact, so that none is ever forgotten.
    """

    class Kind(models.TextChoices):
        REFUND = "refund"
        CREDIT_NOTE = "credit_note", "credit note"
        WRITE_OFF = "write_off", "write-off"
        PAID_ELSEWHERE = "paid_elsewhere", "paid elsewhere"
        TAX_SALE = "tax_sale", "sale with computed tax"
        OVERPAID = "overpaid", "overpaid there, credit here"
        TAX_REVERSAL = "tax_reversal", "computed tax taken back"

    class State(models.TextChoices):
        WAITING = "waiting"
        TOLD = "told"
        SKIPPED = "skipped", "not to be told any more"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    # Of the refund, the note or the write-off; of what was paid or sold, the invoice's.
    fact_id = models.BigIntegerField()
    account = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reference = models.CharField(max_length=100, blank=True, default="")
    problem = models.CharField(
        max_length=PROBLEM_CHARS_MAX,
        blank=True,
        default="",
        help_text="Why it waits, or was not told.",
    )
    asked_at = models.DateTimeField()
    try_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "outgoing"
        constraints = (
            models.UniqueConstraint(fields=("kind", "fact_id"), name="outgoing_once"),
        )
        indexes = (
            models.Index(
                fields=("try_at",),
                condition=Q(state="waiting"),
                name="outgoing_to_tell",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.fact_id}"
