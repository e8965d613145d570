"""What the management API takes and shows of served models and replicas.

Inputs say the type of each field; the services say which values are allowed.
"""

from typing import Any, ClassVar

from rest_framework import serializers

from inference.control.api import examples
from inference.control.models import Replica, ServedModel
from inference.tokenizers.shipped import SHIPPED
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input

_TOKENS_MAX = 2**31 - 1


class ModelReference(serializers.SlugRelatedField[ServedModel]):
    """A served model by its public name."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no served model '{value}'."
    }

    def to_internal_value(self, data: Any) -> ServedModel:
        """Return the model of this name."""
        # PostgreSQL has no text with a NUL in it, and says so as an error.
        return super().to_internal_value(
            data.replace("\0", "\N{REPLACEMENT CHARACTER}")
            if isinstance(data, str)
            else data
        )


@example(examples.MODEL)
class ModelOutput(serializers.ModelSerializer[ServedModel]):
    """A served model."""

    tokenizer = serializers.ChoiceField(
        choices=list(SHIPPED), allow_blank=True, read_only=True
    )

    class Meta:
        model = ServedModel
        fields = (
            "id",
            "name",
            "description",
            "context_tokens",
            "max_output_tokens",
            "tokenizer",
            "enabled",
            "created_at",
        )
        read_only_fields = fields


@example(examples.NEW_MODEL)
class ModelCreate(Input):
    """A new served model."""

    name = serializers.CharField(
        max_length=128, help_text="Its public name; for good, as prices refer to it."
    )
    description = serializers.CharField(max_length=500, default="", allow_blank=True)
    context_tokens = serializers.IntegerField(min_value=1, max_value=_TOKENS_MAX)
    max_output_tokens = serializers.IntegerField(
        min_value=1, max_value=_TOKENS_MAX, default=None, allow_null=True
    )
    tokenizer = serializers.ChoiceField(
        choices=list(SHIPPED),
        default="",
        allow_blank=True,
        help_text="Counts tokens where an engine reports none.",
    )


@example(examples.MODEL_CHANGES)
class ModelUpdate(Input):
    """What may change of a served model."""

    description = serializers.CharField(
        max_length=500, required=False, allow_blank=True
    )
    context_tokens = serializers.IntegerField(
        min_value=1, max_value=_TOKENS_MAX, required=False
    )
    max_output_tokens = serializers.IntegerField(
        min_value=1, max_value=_TOKENS_MAX, required=False, allow_null=True
    )
    tokenizer = serializers.ChoiceField(
        choices=list(SHIPPED), required=False, allow_blank=True
    )


class ModelFilters(Filters):
    """What served models may be narrowed by."""

    enabled = serializers.BooleanField(required=False)
    name = serializers.CharField(required=False)
    search = serializers.CharField(
        required=False, help_text="Part of the name or the description."
    )


@example(examples.REPLICA)
class ReplicaOutput(serializers.ModelSerializer[Replica]):
    """A replica; of its credential only the variable's name is known here."""

    model = serializers.SlugRelatedField[ServedModel](slug_field="name", read_only=True)

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
            "state",
            "created_at",
        )
        read_only_fields = fields


@example(examples.NEW_REPLICA)
class ReplicaCreate(Input):
    """A new replica."""

    model = ModelReference(queryset=ServedModel.objects.all(), slug_field="name")
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


@example(examples.REPLICA_CHANGES)
class ReplicaUpdate(Input):
    """What may change of a replica."""

    url = serializers.CharField(max_length=500, required=False)
    dialect = serializers.ChoiceField(choices=Replica.Dialect.choices, required=False)
    upstream_model = serializers.CharField(
        max_length=128, required=False, allow_blank=True
    )
    credential = serializers.CharField(max_length=100, required=False, allow_blank=True)


class ReplicaFilters(Filters):
    """What replicas may be narrowed by."""

    model = serializers.CharField(required=False, help_text="A served model's name.")
    state = serializers.ChoiceField(choices=Replica.State.choices, required=False)
