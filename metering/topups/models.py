"""Credit that a tenant buys: when by itself, and each time that it was asked for.

A top-up is a step of its own, so that what is asked for, invoiced and paid is seen, and
never twice: a tenant has one open at a time, by constraint.
"""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kit.orm.audited import Audited
from kit.orm.fields import PicosField

HOUR_S = 3600
COOL_OFF_S_MAX = 30 * 24 * HOUR_S
PROBLEM_CHARS_MAX = 300
_above_zero = MinValueValidator(1)


class TopUpRule(models.Model):
    """When a prepaid tenant's credit is topped up by itself, and how much at most.

    What is bought is in minor units of the tenant's currency, before tax. That of a
    billing period, asked for by the rule, never comes to more than `period_max_minor`.
    After an attempt, whatever came of it, the next one waits for `cool_off_s`.
    """

    tenant = models.OneToOneField("tenants.Tenant", models.PROTECT, related_name="+")
    threshold_picos = PicosField(
        validators=[_above_zero],
        help_text="Once less than this is left, credit is topped up.",
    )
    amount_minor = models.BigIntegerField(validators=[_above_zero])
    period_max_minor = models.BigIntegerField(validators=[_above_zero])
    cool_off_s = models.PositiveIntegerField(
        default=HOUR_S,
        validators=[MaxValueValidator(COOL_OFF_S_MAX)],
        help_text="Seconds from one attempt to the next.",
    )
    enabled = models.BooleanField(default=True)

    audited: ClassVar = Audited("top_up_rule")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(threshold_picos__gt=0)
                & Q(amount_minor__gt=0)
                & Q(period_max_minor__gte=F("amount_minor")),
                name="top_up_rule_makes_sense",
                violation_error_message="Let the period's maximum be at least the"
                " amount.",
            ),
        )

    def __str__(self) -> str:
        return f"below {self.threshold_picos} of {self.tenant_id}"


class TopUp(models.Model):
    """One purchase of credit, in minor units of the tenant's currency, before tax."""

    class Way(models.TextChoices):
        """How it is paid for: an invoice goes first, or the money does."""

        INVOICE = "invoice", "by its invoice"
        CHECKOUT = "checkout", "on the provider's page"
        METHOD = "method", "by the default payment method"

    class State(models.TextChoices):
        DUE = "due"
        PENDING = "pending", "payment under way"
        INVOICED = "invoiced"
        PAID = "paid"
        FAILED = "failed"
        CANCELLED = "cancelled"

    OPEN = (State.DUE, State.PENDING, State.INVOICED)

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField(validators=[_above_zero])
    currency = models.CharField(max_length=3)
    by_rule = models.BooleanField(default=False)
    way = models.CharField(
        max_length=12, choices=Way, default=Way.INVOICE, db_default=Way.INVOICE
    )
    state = models.CharField(max_length=12, choices=State, default=State.DUE)
    problem = models.CharField(
        max_length=PROBLEM_CHARS_MAX,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Why it waits, or what became of its payment.",
    )
    invoice = models.OneToOneField(
        "billing.Invoice",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    grant = models.OneToOneField(
        "ledger.CreditGrant",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    asked_at = models.DateTimeField(editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("top_up")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant",),
                condition=Q(state__in=("due", "pending", "invoiced")),
                name="top_up_one_open",
                violation_error_message="A top-up of this tenant is open already.",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="top_up_of_something"
            ),
            models.CheckConstraint(
                condition=~Q(state="paid") | Q(grant__isnull=False),
                name="top_up_paid_is_granted",
            ),
        )
        indexes = (models.Index(fields=("tenant", "asked_at"), name="top_up_asked"),)

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """Return what its invoice and its credit name it by."""
        return f"top-up {self.pk}"
