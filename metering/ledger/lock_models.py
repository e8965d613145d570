"""Months that are locked: nothing is booked in them any more, unless they are reopened.

All months up to the last that is locked and not reopened are. A row says who prepared
the month and who else approved it, which the database holds, and is never deleted.
"""

from typing import ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import F, Q

from kit.orm.audited import Audited

REASON_CHARS_MAX = 500


class LockedMonth(models.Model):
    """One locking of a month, of the tenants' billing days, and its reopening."""

    month = models.DateField(help_text="Its first day.")
    prepared_by_id = models.BigIntegerField()
    approved_by_id = models.BigIntegerField()
    locked_at = models.DateTimeField()
    figures_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of its trial balance then.",
    )
    reopened_by_id = models.BigIntegerField(null=True, blank=True)
    reopened_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(
        max_length=REASON_CHARS_MAX,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Why it was reopened.",
    )

    audited: ClassVar = Audited("locked_month", tenant=None)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("month",),
                condition=Q(reopened_at=None),
                name="locked_month_once",
            ),
            models.CheckConstraint(
                condition=~Q(prepared_by_id=F("approved_by_id")),
                name="locked_month_by_two",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="locked_month_is_its_first_day"
            ),
            models.CheckConstraint(
                condition=Q(reopened_at=None, reopened_by_id=None, reason="")
                | (
                    Q(reopened_at__isnull=False, reopened_by_id__isnull=False)
                    & ~Q(reason="")
                ),
                name="locked_month_reopened_for_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
