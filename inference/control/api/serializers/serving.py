"""How a served model is routed, waited for and stood in for, as the API takes it."""

from typing import Any

from rest_framework import serializers

from inference.control.api.serializers.references import ModelReference
from inference.control.models import (
    CANARY_WHOLE,
    FALLBACKS_MAX,
    QUEUE_MAX,
    QUEUE_MS_MAX,
    WAKE_MS_MAX,
    Policy,
    ServedModel,
)


def policy(**options: Any) -> serializers.ChoiceField:
    """Return the field of how a request's replica is chosen."""
    return serializers.ChoiceField(
        choices=Policy.choices,
        help_text="How a request's replica is chosen among those that can take it.",
        **options,
    )


def canary_permille(**options: Any) -> serializers.IntegerField:
    """Return the field of how much canary replicas serve."""
    return serializers.IntegerField(
        min_value=0,
        max_value=CANARY_WHOLE,
        help_text="How much is served by its canary replicas, of a thousand.",
        **options,
    )


def queue_max(**options: Any) -> serializers.IntegerField:
    """Return the field of how many requests wait."""
    return serializers.IntegerField(
        min_value=0,
        max_value=QUEUE_MAX,
        help_text="How many requests wait for a place, in each gateway process.",
        **options,
    )


def queue_ms(**options: Any) -> serializers.IntegerField:
    """Return the field of how long each waits for a place."""
    return serializers.IntegerField(
        min_value=1,
        max_value=QUEUE_MS_MAX,
        help_text="How long each waits at most for a place, in milliseconds.",
        **options,
    )


def wake_ms(**options: Any) -> serializers.IntegerField:
    """Return the field of how long each waits for a replica to come up."""
    return serializers.IntegerField(
        min_value=0,
        max_value=WAKE_MS_MAX,
        help_text="How long each waits, in milliseconds, for a replica to come up where"
        " none is; 0: not at all.",
        **options,
    )


def fallbacks(**options: Any) -> serializers.ListField:
    """Return the field of which models stand in, by name and in order."""
    return serializers.ListField(
        child=ModelReference(queryset=ServedModel.objects.all(), slug_field="name"),
        max_length=FALLBACKS_MAX,
        help_text="Which models answer, in this order, where no engine of it does, each"
        " at its own price. The fallbacks of a fallback are not followed.",
        **options,
    )
