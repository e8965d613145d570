"""What replicas cost from when on, when they were there, and what each day came to.

Rates are append-only: what costs something else has another row. A day's margin is
made anew from rates, spans, rollups and postings until its month is locked.
"""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    ProhibitNullCharactersValidator,
    RegexValidator,
)
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kit.money import format_picos
from kit.orm.audited import Audited
from kit.orm.fields import PicosField

# Where Django finds it.
from metering.economics.close_models import CloseSignature  # noqa: F401
from metering.economics.code_models import AccountCode  # noqa: F401

SUBJECT_CHARS_MAX = 200
INPUT_PERMILLE, CACHED_PERMILLE, PERMILLE_MAX = 200, 20, 1000
TOKENS_PER_S_MAX = 1_000_000


class CostRate(models.Model):
    """What an hour of a replica costs from a date on, and what it can do in it.

    The nearest level decides: a replica's own rate, its model's, its engine's, that of
    all. A row without an amount ends the rate before it, and the next level decides. Of
    two rows from one date the later one holds.
    """

    class Level(models.TextChoices):
        ALL = "all", "all replicas"
        ENGINE = "engine", "replicas of an engine"
        MODEL = "model", "replicas of a served model"
        REPLICA = "replica", "one replica"

    level = models.CharField(max_length=8, choices=Level)
    subject = models.CharField(
        max_length=SUBJECT_CHARS_MAX,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
        help_text="The name of the engine, served model or replica; empty for all.",
    )
    starts_on = models.DateField(help_text="The first day, of UTC, that it holds.")
    currency = models.CharField(
        max_length=3,
        validators=[
            RegexValidator(r"^[A-Z]{3}\Z", "Use an ISO 4217 code such as USD.")
        ],
    )
    picos_per_hour = PicosField(
        null=True, blank=True, validators=[MinValueValidator(0)]
    )
    tokens_per_s = models.PositiveIntegerField(
        "tokens per second",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(TOKENS_PER_S_MAX)],
        help_text=(
            "What one replica writes per second at full load. Without it no hour is"
            " part idle: all of its cost falls on whoever used it."
        ),
    )
    input_permille = models.PositiveSmallIntegerField(
        "weight of input",
        default=INPUT_PERMILLE,
        validators=[MaxValueValidator(PERMILLE_MAX)],
        help_text="Thousandths of the work of an output token that reading one takes.",
    )
    cached_permille = models.PositiveSmallIntegerField(
        "weight of cached input",
        default=CACHED_PERMILLE,
        validators=[MaxValueValidator(PERMILLE_MAX)],
        help_text="The same of an input token that the engine's cache held.",
    )
    note = models.CharField(
        max_length=300,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Where it comes from, such as a contract or a depreciation table.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("cost_rate", tenant=None)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(level="all", subject="")
                | (~Q(level="all") & ~Q(subject="")),
                name="cost_rate_has_subject",
            ),
            models.CheckConstraint(
                condition=Q(picos_per_hour=None) | Q(picos_per_hour__gte=0),
                name="cost_rate_is_no_gain",
            ),
        )

    def __str__(self) -> str:
        whose = self.subject or "all replicas"
        if self.picos_per_hour is None:
            return f"{whose}: none from {self.starts_on}"
        amount = format_picos(self.picos_per_hour)
        return f"{whose}: {amount} {self.currency} an hour from {self.starts_on}"


class ReplicaSpan(models.Model):
    """A time without a break in which a replica was there, as one and the same.

    `until` moves on with every look as long as it is open.
    """

    replica_id = models.BigIntegerField()
    name = models.CharField(max_length=63)
    model = models.CharField(max_length=128)
    answers_to = ArrayField(models.CharField(max_length=128))
    engine = models.CharField(max_length=16)
    starts_at = models.DateTimeField()
    until = models.DateTimeField()
    is_open = models.BooleanField(default=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("replica_id",),
                condition=Q(is_open=True),
                name="replica_span_open_once",
            ),
            models.CheckConstraint(
                condition=Q(until__gte=models.F("starts_at")),
                name="replica_span_in_order",
            ),
        )
        indexes = (models.Index(fields=("until",), name="replica_span_by_end"),)

    def __str__(self) -> str:
        return f"{self.name} from {self.starts_at:%Y-%m-%d %H:%M}"


class DayMargin(models.Model):
    """What one tenant's use of one model brought and cost on a day, in one currency.

    A row without a tenant is what the model's replicas cost while they were idle.
    """

    date = models.DateField()
    tenant_id = models.BigIntegerField(null=True)
    model = models.CharField(max_length=128)
    currency = models.CharField(max_length=3)
    requests = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    revenue_picos = PicosField(default=0)
    cost_picos = PicosField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("date", "currency", "model", "tenant_id"),
                nulls_distinct=False,
                name="day_margin_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.date} {self.model} {self.tenant_id}"


class DayTotal(models.Model):
    """A day's margins of all tenants together: what one model brought and cost.

    Written with the day's margins, so that a month is read without reading tenants.
    """

    date = models.DateField()
    model = models.CharField(max_length=128)
    currency = models.CharField(max_length=3)
    is_idle = models.BooleanField()
    requests = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    revenue_picos = PicosField(default=0)
    cost_picos = PicosField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("date", "currency", "model", "is_idle"), name="day_total_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.date} {self.model}"


class WorkedDay(models.Model):
    """Which days' margins were worked out, when, and how far each is complete."""

    date = models.DateField(primary_key=True)
    worked_at = models.DateTimeField()
    # Up to when replicas and use were counted; the day's end once it is over.
    complete_to = models.DateTimeField()
    # Time of replicas for which no rate is in force, and of those without full load.
    unpriced_us = models.BigIntegerField(default=0)
    unmeasured_us = models.BigIntegerField(default=0)
    replica_us = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.date}"
