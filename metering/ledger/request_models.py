"""Credit above a limit, as one person asked for it and another decided.

A row is never deleted: who asked, who decided and what came of it stay to be read.
"""

from typing import ClassVar

from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    ProhibitNullCharactersValidator,
)
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kit.orm.audited import Audited
from kit.orm.fields import PicosField
from metering.ledger.models import PRIORITY, PRIORITY_MAX, CreditGrant


class GrantRequest(models.Model):
    """What a grant would say, and who asked for it; `grant` is what became of it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        DECLINED = "declined"

    tenant_id = models.BigIntegerField()
    source = models.CharField(max_length=16, choices=CreditGrant.Source)
    amount_picos = PicosField(validators=[MinValueValidator(1)])
    currency = models.CharField(max_length=3)
    priority = models.PositiveSmallIntegerField(
        default=PRIORITY,
        validators=[MaxValueValidator(PRIORITY_MAX)],
        help_text="The lowest burns first.",
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="When what is left is gone; empty for never."
    )
    reference = models.CharField(
        max_length=200,
        validators=[ProhibitNullCharactersValidator()],
        help_text="What it is for, such as a payment: granted once under one.",
    )
    state = models.CharField(
        max_length=8, choices=State, default=State.WAITING, editable=False
    )
    asked_by_id = models.BigIntegerField(editable=False)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_by_id = models.BigIntegerField(null=True, editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    grant = models.ForeignKey(
        CreditGrant,
        models.PROTECT,
        null=True,
        db_index=False,
        editable=False,
        related_name="+",
    )

    audited: ClassVar = Audited("grant_request")

    class Meta:
        ordering = ("-id",)
        permissions = (("approve_grantrequest", "Can approve credit above the limit"),)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "reference"),
                condition=Q(state="waiting"),
                name="grant_request_once",
            ),
            models.CheckConstraint(
                condition=~Q(asked_by_id=F("decided_by_id")),
                name="grant_request_by_two",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="waiting",
                    decided_by_id=None,
                    decided_at=None,
                    grant=None,
                )
                | Q(
                    state="approved",
                    decided_by_id__isnull=False,
                    decided_at__isnull=False,
                    grant__isnull=False,
                )
                | Q(
                    state="declined",
                    decided_by_id__isnull=False,
                    decided_at__isnull=False,
                    grant=None,
                ),
                name="grant_request_decided_whole",
            ),
        )

    def __str__(self) -> str:
        return self.reference
