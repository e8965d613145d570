"""What people have said of a month before it is locked: signatures, never taken back.

A signature counts from when it was given until the month is reopened, and that of the
report only for the figures that it was given for, and that of the exceptions for the
list that was reviewed.
"""

from typing import ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q

from kit.orm.audited import Audited

NOTE_CHARS_MAX = 500


class CloseSignature(models.Model):
    """Somebody stands for a step of closing a month."""

    class Step(models.TextChoices):
        EXCEPTIONS = "exceptions", "invoices' exceptions reviewed"
        PAYMENTS = "payments", "payments and payouts matched"
        REPORT = "report", "report prepared"

    month = models.DateField(help_text="Its first day.")
    step = models.CharField(max_length=12, choices=Step)
    signed_by_id = models.BigIntegerField()
    signed_at = models.DateTimeField()
    note = models.CharField(
        max_length=NOTE_CHARS_MAX,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
    )
    # Of the trial balance that was signed, or of the exceptions that were reviewed.
    figures_sha256 = models.CharField(max_length=64, blank=True)

    audited: ClassVar = Audited("close_signature", tenant=None)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(month__day=1), name="close_signature_of_a_month"
            ),
        )
        indexes = (models.Index(fields=("month",), name="close_signature_of_month"),)
        permissions = (("approve_close", "Can approve and reopen months"),)

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.step}"
