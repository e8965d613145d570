"""How much may be used: rate limits (flow), quotas (tokens) and budgets (money).

A limit holds for a tenant, a project or an API key; a plan's limits hold for each
tenant, project or key of the tenants on it that has none of its own. Those that a
tenant sets for itself stand beside the operators' and can only be the lower ones in
effect: `tenants.limits` resolves them. A limit is never deleted, only ended; one with
`ends_at` holds until then in place of the one that holds for good.
"""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    ProhibitNullCharactersValidator,
)
from django.db import models
from django.db.models.functions import Now

from kit.money import format_picos
from kit.orm.audited import Audited
from kit.orm.fields import PicosField
from tenants.models.keys import ApiKey
from tenants.models.tenants import Plan, Project, Tenant

# What every reader of JSON takes for the same integer.
VALUE_MAX = 2**53 - 1


class Level(models.TextChoices):
    """Whom a limit holds for, each one for itself."""

    TENANT = "tenant"
    PROJECT = "project"
    API_KEY = "api_key"


class SetBy(models.TextChoices):
    """Whose limit it is."""

    OPERATOR = "operator"
    TENANT = "tenant"


class Window(models.TextChoices):
    """The span that a quota or budget is for, of the tenant's own zone."""

    DAY = "day"
    MONTH = "month"
    FOREVER = "forever"


class Limit(models.Model):
    """What every kind of limit has."""

    tenant = models.ForeignKey(
        Tenant, models.PROTECT, null=True, blank=True, related_name="+"
    )
    plan = models.ForeignKey(
        Plan, models.PROTECT, null=True, blank=True, related_name="+"
    )
    level = models.CharField(max_length=8, choices=Level, default=Level.TENANT)
    project = models.ForeignKey(
        Project, models.PROTECT, null=True, blank=True, related_name="+"
    )
    api_key = models.ForeignKey(
        ApiKey, models.PROTECT, null=True, blank=True, related_name="+"
    )
    set_by = models.CharField(
        max_length=8, choices=SetBy, default=SetBy.OPERATOR, editable=False
    )
    model = models.CharField(
        max_length=200,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Of one served model; empty for all.",
    )
    is_hard = models.BooleanField(
        default=True, help_text="Whether it stops, or only warns."
    )
    warn_at = ArrayField(
        models.PositiveSmallIntegerField(
            validators=[MinValueValidator(1), MaxValueValidator(100)]
        ),
        default=list,
        blank=True,
        help_text="Shares of the limit in percent at which to warn.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="Until when it holds; empty for good."
    )
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
        ordering = ("-id",)


def _constraints(name: str, *what: str, amount: str = "value") -> tuple[Any, ...]:
    """Return the constraints of a kind whose rows differ in `what` they limit."""
    nobody = models.Q(tenant=None, project=None, api_key=None)
    tenants = models.Q(plan=None, tenant__isnull=False)
    whom = (
        models.Q(level=Level.TENANT, project=None, api_key=None)
        | models.Q(level=Level.PROJECT, project__isnull=False, api_key=None)
        | models.Q(level=Level.API_KEY, project=None, api_key__isnull=False)
    )
    slot = ("plan", "tenant", "project", "api_key", "level", "set_by", "model")
    # One that holds until a date stands before the one that holds for good.
    for_good = models.Q(ended_at=None, ends_at=None)
    until = models.Q(ended_at=None, ends_at__isnull=False)
    return (
        models.CheckConstraint(
            condition=(nobody & models.Q(plan__isnull=False)) | (tenants & whom),
            name=f"{name}_of_one_holder",
        ),
        models.CheckConstraint(
            condition=models.Q((f"{amount}__gte", 0)), name=f"{name}_not_negative"
        ),
        *(
            models.UniqueConstraint(
                fields=(*slot, *what, "is_hard"),
                condition=condition,
                nulls_distinct=False,
                name=constraint,
                violation_error_code="unique",
            )
            for constraint, condition in (
                (f"{name}_once", for_good),
                (f"{name}_once_until", until),
            )
        ),
    )


class RateLimit(Limit):
    """How fast: so many per window, or so many at a time."""

    class Unit(models.TextChoices):
        REQUESTS = "requests"
        TOKENS = "tokens"
        INPUT_TOKENS = "input_tokens"
        OUTPUT_TOKENS = "output_tokens"
        CONCURRENT_REQUESTS = "concurrent_requests"

    class Window(models.TextChoices):
        SECOND = "second"
        MINUTE = "minute"
        HOUR = "hour"
        DAY = "day"
        NONE = "", "at a time"

    unit = models.CharField(max_length=24, choices=Unit)
    window = models.CharField(
        max_length=8, choices=Window, blank=True, default=Window.NONE
    )
    value = models.BigIntegerField(
        validators=[MinValueValidator(0), MaxValueValidator(VALUE_MAX)]
    )

    audited: ClassVar = Audited("rate_limit")

    class Meta(Limit.Meta):
        constraints = (
            *_constraints("rate_limit", "unit", "window"),
            models.CheckConstraint(
                condition=models.Q(unit="concurrent_requests", window="")
                | (~models.Q(unit="concurrent_requests") & ~models.Q(window="")),
                name="rate_limit_has_a_window",
                violation_error_message="Give a window; only concurrent requests have"
                " none.",
            ),
        )

    def __str__(self) -> str:
        per = f" per {self.window}" if self.window else ""
        unit = self.unit.replace("_", " ")
        return f"{self.value:,} {unit}{per}"


class Quota(Limit):
    """How many tokens in a window: a budget in tokens."""

    class Unit(models.TextChoices):
        TOKENS = "tokens"
        INPUT_TOKENS = "input_tokens"
        OUTPUT_TOKENS = "output_tokens"

    unit = models.CharField(max_length=24, choices=Unit, default=Unit.TOKENS)
    window = models.CharField(max_length=8, choices=Window)
    value = models.BigIntegerField(
        validators=[MinValueValidator(0), MaxValueValidator(VALUE_MAX)]
    )

    audited: ClassVar = Audited("quota")

    class Meta(Limit.Meta):
        constraints = _constraints("quota", "unit", "window")

    def __str__(self) -> str:
        unit = self.unit.replace("_", " ")
        return f"{self.value:,} {unit} ({self.window})"


class Budget(Limit):
    """How much money in a window."""

    window = models.CharField(max_length=8, choices=Window)
    amount_picos = PicosField(validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3)

    audited: ClassVar = Audited("budget")

    class Meta(Limit.Meta):
        constraints = _constraints(
            "budget", "window", "currency", amount="amount_picos"
        )

    def __str__(self) -> str:
        return f"{format_picos(self.amount_picos)} {self.currency} ({self.window})"
