"""What the management API takes and shows of replicas."""

from typing import Any

from rest_framework import serializers

from inference.control.api import examples
from inference.control.api.serializers.references import named_model
from inference.control.models import (
    SLOTS,
    SLOTS_MAX,
    WEIGHT,
    WEIGHT_MAX,
    Replica,
    ServedModel,
)
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input


@example(examples.REPLICA)
class ReplicaOutput(serializers.ModelSerializer[Replica]):
    """A replica; of its credential only the variable's name is known here."""

    model = serializers.SlugRelatedField[ServedModel](slug_field="name", read_only=True)
    options = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Replica
        fields = (
            "id",
            "model",
            "name",
            "url",
            "dialect",
            "upstream_model",
            "credential",
            "auth",
            "options",
            "slots",
            "weight",
            "canary",
            "state",
            "created_at",
        )
        read_only_fields = fields


def _options(**options: Any) -> serializers.DictField:
    return serializers.DictField(
        child=serializers.CharField(max_length=500),
        help_text="What its dialect or its authentication wants to know besides.",
        **options,
    )


def _slots(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1,
        max_value=SLOTS_MAX,
        help_text="How many requests it is given at a time, by all gateways together:"
        " what the engine runs at once.",
        **options,
    )


def _weight(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1,
        max_value=WEIGHT_MAX,
        help_text="Its share of the work beside the model's other replicas.",
        **options,
    )


def _canary(**options: Any) -> serializers.BooleanField:
    return serializers.BooleanField(
        help_text="Whether it serves the model's canary share.", **options
    )


@example(examples.NEW_REPLICA)
class ReplicaCreate(Input):
    """A new replica."""

    model = named_model()
    name = serializers.CharField(max_length=63)
    url = serializers.CharField(
        max_length=500, help_text="The engine's base URL, such as http://10.0.0.5:8000."
    )
    dialect = serializers.ChoiceField(
        choices=Replica.Dialect.choices, default=Replica.Dialect.VLLM
    )
    upstream_model = serializers.CharField(
        max_length=128,
        default="",
        allow_blank=True,
        help_text="The engine's own name of the model; empty when it is the same.",
    )
    credential = serializers.CharField(
        max_length=100,
        default="",
        allow_blank=True,
        help_text="Name of the variable that holds the engine's key: ENGINE_KEY_...",
    )
    auth = serializers.ChoiceField(
        choices=Replica.Auth.choices,
        default=Replica.Auth.BEARER,
        help_text="How the engine wants to be shown its key.",
    )
    options = _options(default=dict)
    slots = _slots(default=SLOTS)
    weight = _weight(default=WEIGHT)
    canary = _canary(default=False)


@example(examples.REPLICA_CHANGES)
class ReplicaUpdate(Input):
    """What may change of a replica."""

    url = serializers.CharField(max_length=500, required=False)
    dialect = serializers.ChoiceField(choices=Replica.Dialect.choices, required=False)
    upstream_model = serializers.CharField(
        max_length=128, required=False, allow_blank=True
    )
    credential = serializers.CharField(max_length=100, required=False, allow_blank=True)
    auth = serializers.ChoiceField(choices=Replica.Auth.choices, required=False)
    options = _options(required=False)
    slots = _slots(required=False)
    weight = _weight(required=False)
    canary = _canary(required=False)


class ReplicaFilters(Filters):
    """What replicas may be narrowed by."""

    model = serializers.CharField(required=False, help_text="A served model's name.")
    state = serializers.ChoiceField(choices=Replica.State.choices, required=False)
    canary = serializers.BooleanField(required=False)
