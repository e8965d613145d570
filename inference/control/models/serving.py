"""How a served model is routed and how long requests wait for it.

The defaults are those of `inference.routing.serving`: gateways take them for what an
entry does not say.
"""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

CANARY_WHOLE = 1000
QUEUE_MAX = 100_000
QUEUE_MS_MAX = 600_000
WAKE_MS_MAX = 3_600_000


class Policy(models.TextChoices):
    """How a request's replica is chosen among those that can take it."""

    ROUND_ROBIN = "round_robin", "Round robin: in turn, by weight"
    LEAST_LOADED = "least_loaded", "Least loaded: where least runs"
    PREFIX_AWARE = "prefix_aware", "Prefix-aware: where the prompt was computed before"


class ServingSettings(models.Model):
    """The columns of a served model that say so."""

    policy = models.CharField(
        max_length=16,
        choices=Policy,
        default=Policy.PREFIX_AWARE,
        db_default=Policy.PREFIX_AWARE.value,
        verbose_name="routing policy",
        help_text="How a request's replica is chosen among those that can take it.",
    )
    canary_permille = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        verbose_name="canary share",
        validators=[MaxValueValidator(CANARY_WHOLE)],
        help_text="How much is served by its canary replicas, of a thousand.",
    )
    queue_max = models.PositiveIntegerField(
        default=1000,
        db_default=1000,
        verbose_name="waiting at most",
        validators=[MaxValueValidator(QUEUE_MAX)],
        help_text="How many requests wait for a place, in each gateway process.",
    )
    queue_ms = models.PositiveIntegerField(
        default=30_000,
        db_default=30_000,
        verbose_name="waiting time",
        validators=[MinValueValidator(1), MaxValueValidator(QUEUE_MS_MAX)],
        help_text="How long each waits at most for a place, in milliseconds.",
    )
    wake_ms = models.PositiveIntegerField(
        default=0,
        db_default=0,
        verbose_name="waking time",
        validators=[MaxValueValidator(WAKE_MS_MAX)],
        help_text=(
            "How long each waits, in milliseconds, for a replica to come up where none"
            " is; 0: not at all."
        ),
    )

    class Meta:
        abstract = True

    def serving(self) -> dict[str, Any]:
        """Return what of these is not the default."""
        return {
            field.name: value
            for field in ServingSettings._meta.fields
            if (value := getattr(self, field.name)) != field.default
        }
