"""Who pays: a tenant, the projects that divide its use, the plan it is on."""

import zoneinfo
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited

_slug = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z",
    "Use 1 to 63 lower-case letters, digits and hyphens.",
)
_currency = RegexValidator(r"^[A-Z]{3}$", "Use an ISO 4217 code such as USD.")


PLAN_WEIGHT, PLAN_WEIGHT_MAX = 100, 10_000
# February has no later day in every year.
PERIOD_DAY_MAX = 28
# Zones that mean something else on each host, or no place at all.
_NO_PLACE = frozenset({"Factory", "localtime"})


def _known_zone(value: str) -> None:
    if value in _NO_PLACE or value not in zoneinfo.available_timezones():
        raise ValidationError(f"'{value}' is not a time zone such as Europe/Berlin.")


class Priority(models.TextChoices):
    """Who waits for whom where a model is busy; the last goes first."""

    FLEX = "flex"
    DEFAULT = "default"
    PRIORITY = "priority"

    @property
    def rank(self) -> int:
        """Return how far in front it stands."""
        return list(Priority).index(self)


class Plan(models.Model):
    """What tenants may use unless their own limits say otherwise."""

    slug = models.CharField(max_length=63, unique=True, validators=[_slug])
    name = models.CharField(max_length=200)
    is_default = models.BooleanField(
        default=False, help_text="Of tenants that are on no other plan."
    )
    weight = models.PositiveSmallIntegerField(
        default=PLAN_WEIGHT,
        db_default=PLAN_WEIGHT,
        validators=[MinValueValidator(1), MaxValueValidator(PLAN_WEIGHT_MAX)],
        help_text=(
            "What each of its tenants gets of a busy model, beside other tenants."
        ),
    )
    priority_max = models.CharField(
        max_length=8,
        choices=Priority,
        default=Priority.DEFAULT,
        db_default=Priority.DEFAULT.value,
        verbose_name="best priority",
        help_text="The best class that requests of its tenants' keys may ask for.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("plan", tenant=None)

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.UniqueConstraint(
                fields=("is_default",),
                condition=models.Q(is_default=True),
                name="plan_one_default",
                violation_error_message="There is a default plan already.",
            ),
        )

    def __str__(self) -> str:
        return self.slug


class Tenant(models.Model):
    """A customer or department: the unit of isolation, of billing and of limits."""

    class State(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    class SuspendedFor(models.TextChoices):
        PEOPLE = "", "as people say"
        UNPAID = "unpaid", "unpaid invoices"

    class PaymentMode(models.TextChoices):
        POSTPAID = "postpaid", "postpaid: by invoice, after use"
        PREPAID = "prepaid", "prepaid: from credit, before use"

    slug = models.CharField(max_length=63, unique=True, validators=[_slug])
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    suspended_for = models.CharField(
        max_length=8,
        choices=SuspendedFor,
        blank=True,
        default=SuspendedFor.PEOPLE,
        db_default=SuspendedFor.PEOPLE.value,
        editable=False,
    )
    currency = models.CharField(max_length=3, default="USD", validators=[_currency])
    zone = models.CharField(max_length=64, default="UTC", validators=[_known_zone])
    period_day = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(PERIOD_DAY_MAX)],
        help_text="The day of the month on which its billing periods begin.",
    )
    billing_email = models.EmailField(blank=True)
    plan = models.ForeignKey(
        Plan,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="tenants",
        help_text="Without one, the default plan holds.",
    )
    payment_mode = models.CharField(
        max_length=8,
        choices=PaymentMode,
        default=PaymentMode.POSTPAID,
        db_default=PaymentMode.POSTPAID.value,
        help_text="Prepaid: without credit, no call is admitted.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited(
        "tenant", tenant="id", personal=frozenset({"billing_email"})
    )

    class Meta:
        ordering = ("slug",)
        # Support may do this and no more.
        permissions = (("suspend_tenant", "Can suspend and restore tenants"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(period_day__gte=1, period_day__lte=PERIOD_DAY_MAX),
                name="tenant_period_day_is_in_every_month",
            ),
        )

    def __str__(self) -> str:
        return self.slug


class Project(models.Model):
    """A part of a tenant's use, with keys of its own."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="projects")
    slug = models.CharField(max_length=63, validators=[_slug])
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    audited: ClassVar = Audited("project")

    class Meta:
        ordering = ("tenant_id", "slug")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "slug"), name="project_slug_unique_in_tenant"
            ),
        )

    def __str__(self) -> str:
        return self.slug
