"""Credit that is paid first: each attempt at being paid for a top-up.

What an attempt asks for is frozen before the provider hears of it, so that what was
paid can be held against it, and invoiced as it was quoted, whatever changes meanwhile.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kit.orm.audited import Audited
from metering.topups.models import PROBLEM_CHARS_MAX, TopUp

REFERENCE_CHARS_MAX = 255
URL_CHARS_MAX = 2000


def _reference(help_text: str) -> "models.CharField[str, str]":
    return models.CharField(
        max_length=REFERENCE_CHARS_MAX,
        blank=True,
        default="",
        editable=False,
        help_text=help_text,
    )


class Purchase(models.Model):
    """One attempt at being paid for a top-up; amounts in the currency's minor unit."""

    class Way(models.TextChoices):
        CHECKOUT = "checkout", "on the provider's page"
        METHOD = "method", "by the default payment method"

    class State(models.TextChoices):
        """Quoted is frozen and to be asked for; open is asked for and not decided."""

        ASKED = "asked"
        QUOTED = "quoted"
        OPEN = "open"
        PAID = "paid"
        FAILED = "failed"
        CANCELLED = "cancelled"

    UNDER_WAY = (State.ASKED, State.QUOTED, State.OPEN)

    public_id = models.UUIDField(unique=True, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    top_up = models.ForeignKey(TopUp, models.PROTECT, related_name="purchases")
    way = models.CharField(max_length=12, choices=Way)
    state = models.CharField(max_length=12, choices=State, default=State.ASKED)
    account = models.CharField(
        max_length=40, help_text="The provider's account that takes the money."
    )
    currency = models.CharField(max_length=3)
    subtotal_minor = models.BigIntegerField(default=0)
    tax_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField(default=0)
    # All that the lines of its invoice are made from.
    basis = models.JSONField(default=dict, blank=True)
    lines_sha256 = models.CharField(max_length=64, blank=True, default="")
    customer = _reference("Who pays, at the provider.")
    method = models.CharField(
        max_length=REFERENCE_CHARS_MAX,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What it is paid with, where no person chooses.",
    )
    session = _reference("The page on which it is paid, at the provider.")
    intent = _reference("Its payment, at the provider.")
    url = models.CharField(
        max_length=URL_CHARS_MAX,
        blank=True,
        default="",
        help_text="Where a person pays it.",
    )
    problem = models.CharField(
        max_length=PROBLEM_CHARS_MAX,
        blank=True,
        default="",
        help_text="What became of it, or what a person must look at.",
    )
    asked_at = models.DateTimeField()
    quoted_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider is asked again."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("purchase", hidden=frozenset({"url", "look_at"}))

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("top_up",),
                condition=Q(state__in=("asked", "quoted", "open")),
                name="purchase_one_under_way",
                violation_error_message="A payment of this top-up is under way.",
            ),
            models.CheckConstraint(
                condition=Q(total_minor=F("subtotal_minor") + F("tax_minor")),
                name="purchase_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("asked", "failed", "cancelled"))
                | Q(quoted_at__isnull=False, total_minor__gt=0),
                name="purchase_is_quoted",
            ),
        )
        indexes = (
            models.Index(
                fields=("look_at",),
                condition=Q(state__in=("asked", "quoted", "open")),
                name="purchase_to_look_at",
            ),
            models.Index(
                fields=("session",), condition=~Q(session=""), name="purchase_session"
            ),
            models.Index(
                fields=("intent",), condition=~Q(intent=""), name="purchase_intent"
            ),
        )

    def __str__(self) -> str:
        return f"payment of {self.top_up}"
