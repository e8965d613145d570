"""How an unpaid invoice is followed up, and what keeps it from being so."""

from typing import ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kit.orm.audited import Audited
from metering.billing.models import Invoice


class Hold(models.Model):
    """While it is open, its invoice is not followed up, and suspends nobody."""

    class Kind(models.TextChoices):
        DISPUTE = "dispute", "the buyer disputes it"
        PAUSE = "pause", "paused by us"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="holds")
    kind = models.CharField(max_length=8, choices=Kind)
    reason = models.CharField(
        max_length=300,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Why, for the records.",
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, editable=False)

    audited: ClassVar = Audited("invoice_hold")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("invoice",),
                condition=Q(ended_at=None),
                name="invoice_hold_one_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} of invoice {self.invoice_id}"


class DunningStep(models.Model):
    """One step of following up an unpaid invoice, taken once, and its mail.

    A payment that is charged back, or a hold that ends, begins another `cycle`.
    """

    class Kind(models.TextChoices):
        REMINDER = "reminder"
        SUSPENSION = "suspension"
        RECOVERY = "recovery"

    class Mail(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"
        NO_ADDRESS = "no_address", "no address"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="dunning_steps")
    kind = models.CharField(max_length=12, choices=Kind)
    cycle = models.PositiveSmallIntegerField(default=0)
    position = models.PositiveSmallIntegerField()
    open_minor = models.BigIntegerField(help_text="What was open of it then.")
    taken_at = models.DateTimeField()
    # The day in the tenant's zone, from which the next step counts.
    taken_date = models.DateField()
    mail = models.CharField(max_length=12, choices=Mail, default=Mail.WAITING)
    mail_attempts = models.PositiveSmallIntegerField(default=0)
    mail_due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("dunning_step", by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("invoice", "cycle", "kind", "position"),
                name="dunning_step_once",
            ),
        )
        indexes = (
            models.Index(
                fields=("mail_due_at",),
                condition=Q(mail="waiting"),
                name="dunning_mail_waits",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.position} of invoice {self.invoice_id}"
