"""How much may be used: rate limits (flow), quotas (tokens) and budgets (money).

A limit holds for a tenant, a project or an API key; a plan's limits hold for each
tenant, project or key of the tenants on it that has none of its own. Those that a
tenant sets for itself stand beside the operators' and can only be the lower ones in
effect: `tenants.limits` resolves them.
"""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from kit.orm.fields import PicosField
from tenants.models.keys import ApiKey
from tenants.models.tenants import Plan, Project, Tenant


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
    level = models.CharField(max_length=8, choices=Level)
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
        max_length=200, blank=True, help_text="Of one served model; empty for all."
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


def _constraints(name: str, *what: str) -> tuple[Any, ...]:
    """Return the constraints of a kind whose rows differ in `what` they limit."""
    nobody = models.Q(tenant=None, project=None, api_key=None)
    tenants = models.Q(plan=None, tenant__isnull=False)
    whom = (
        models.Q(level=Level.TENANT, project=None, api_key=None)
        | models.Q(level=Level.PROJECT, project__isnull=False, api_key=None)
        | models.Q(level=Level.API_KEY, project=None, api_key__isnull=False)
    )
    return (
        models.CheckConstraint(
            condition=(nobody & models.Q(plan__isnull=False)) | (tenants & whom),
            name=f"{name}_of_one_holder",
        ),
        models.UniqueConstraint(
            fields=(
                *("plan", "tenant", "project", "api_key", "level", "set_by", "model"),
                *what,
            ),
            condition=models.Q(ended_at=None),
            nulls_distinct=False,
            name=f"{name}_once",
            violation_error_code="unique",
            violation_error_message="There is a limit of this kind already: change it.",
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
    value = models.BigIntegerField(validators=[MinValueValidator(0)])

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
        return f"{self.value} {self.unit}{per}"


class Quota(Limit):
    """How many tokens in a window: a budget in tokens."""

    class Unit(models.TextChoices):
        TOKENS = "tokens"
        INPUT_TOKENS = "input_tokens"
        OUTPUT_TOKENS = "output_tokens"

    unit = models.CharField(max_length=24, choices=Unit, default=Unit.TOKENS)
    window = models.CharField(max_length=8, choices=Window)
    value = models.BigIntegerField(validators=[MinValueValidator(0)])

    audited: ClassVar = Audited("quota")

    class Meta(Limit.Meta):
        constraints = _constraints("quota", "unit", "window")

    def __str__(self) -> str:
        return f"{self.value} {self.unit} ({self.window})"


class Budget(Limit):
    """How much money in a window."""

    window = models.CharField(max_length=8, choices=Window)
    amount_picos = PicosField(validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3)

    audited: ClassVar = Audited("budget")

    class Meta(Limit.Meta):
        constraints = _constraints("budget", "window", "currency")

    def __str__(self) -> str:
        return f"{self.amount_picos} picos {self.currency} ({self.window})"
