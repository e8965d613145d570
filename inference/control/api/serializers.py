"""What the management API takes and shows of models, aliases and replicas.

Inputs say the type of each field; the services say which values are allowed.
"""

from typing import Any, ClassVar

from rest_framework import serializers

from inference.control.api import examples
from inference.control.models import (
    CACHE_S_MAX,
    ModelAlias,
    Replica,
    ServedModel,
    default_modalities,
    default_tasks,
)
from inference.openai.media import Modality
from inference.openai.requests import CHOICES_MAX
from inference.openai.tasks import Task
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input

_TOKENS_MAX = 2**31 - 1


_TASKS = [task.value for task in Task]
_MODALITIES = [kind.value for kind in Modality]


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


def _models() -> ModelReference:
    """Return a field that names one of the served models, as a filter would."""
    return ModelReference(queryset=ServedModel.objects.all(), slug_field="name")


def _tokenizer(**options: Any) -> serializers.CharField:
    return serializers.CharField(
        max_length=32,
        allow_blank=True,
        help_text="Counts tokens where an engine reports none: one of those that ship,"
        " or of the installation's own.",
        **options,
    )


def _tasks(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.ChoiceField(choices=_TASKS),
        min_length=1,
        help_text="What its engines can be asked for.",
        **options,
    )


def _modalities(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.ChoiceField(choices=_MODALITIES),
        min_length=1,
        help_text="Which kinds of input its engines take.",
        **options,
    )


def _base(**options: Any) -> ModelReference:
    return ModelReference(
        queryset=ServedModel.objects.all(),
        slug_field="name",
        allow_null=True,
        help_text="Of a LoRA adapter: the model whose replicas serve it.",
        **options,
    )


def _adapter(**options: Any) -> serializers.CharField:
    return serializers.CharField(
        max_length=128,
        allow_blank=True,
        help_text="The engines' own name of the adapter; empty when it is the same.",
        **options,
    )


def _defaults(**options: Any) -> serializers.DictField:
    return serializers.DictField(
        help_text="What holds where a request says nothing: sampling, and the"
        " chat template's arguments.",
        **options,
    )


def _choices_max(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1,
        max_value=CHOICES_MAX,
        allow_null=True,
        help_text="The most answers that one request may ask for by `n`.",
        **options,
    )


def _cache_s(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0,
        max_value=CACHE_S_MAX,
        help_text="How long, in seconds, an answer is kept for the same tenant's same"
        " request; 0: not at all. Only under a price for `<name>@cache`.",
        **options,
    )


@example(examples.MODEL)
class ModelOutput(serializers.ModelSerializer[ServedModel]):
    """A served model."""

    base = serializers.SlugRelatedField[ServedModel](
        slug_field="name", read_only=True, allow_null=True
    )
    tasks = serializers.ListField(
        child=serializers.ChoiceField(choices=_TASKS), read_only=True
    )
    modalities = serializers.ListField(
        child=serializers.ChoiceField(choices=_MODALITIES), read_only=True
    )
    defaults = serializers.DictField(read_only=True)
    tokenizer = serializers.CharField(read_only=True)

    class Meta:
        model = ServedModel
        fields = (
            "id",
            "name",
            "description",
            "context_tokens",
            "max_output_tokens",
            "tokenizer",
            "tasks",
            "modalities",
            "base",
            "adapter",
            "defaults",
            "choices_max",
            "allows_tools",
            "cache_s",
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
    tokenizer = _tokenizer(default="")
    tasks = _tasks(default=default_tasks)
    modalities = _modalities(default=default_modalities)
    base = _base(default=None)
    adapter = _adapter(default="")
    defaults = _defaults(default=dict)
    choices_max = _choices_max(default=None)
    allows_tools = serializers.BooleanField(default=True)
    cache_s = _cache_s(default=0)


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
    tokenizer = _tokenizer(required=False)
    tasks = _tasks(required=False)
    modalities = _modalities(required=False)
    base = _base(required=False)
    adapter = _adapter(required=False)
    defaults = _defaults(required=False)
    choices_max = _choices_max(required=False)
    allows_tools = serializers.BooleanField(required=False)
    cache_s = _cache_s(required=False)


class ModelFilters(Filters):
    """What served models may be narrowed by."""

    enabled = serializers.BooleanField(required=False)
    name = serializers.CharField(required=False)
    search = serializers.CharField(
        required=False, help_text="Part of the name or the description."
    )


@example(examples.ALIAS)
class AliasOutput(serializers.ModelSerializer[ModelAlias]):
    """Another name of a served model."""

    model = serializers.SlugRelatedField[ServedModel](slug_field="name", read_only=True)

    class Meta:
        model = ModelAlias
        fields = ("id", "name", "model", "enabled", "created_at")
        read_only_fields = fields


@example(examples.NEW_ALIAS)
class AliasCreate(Input):
    """A new alias."""

    name = serializers.CharField(
        max_length=128, help_text="No model's and no other alias's; for good."
    )
    model = _models()


@example(examples.ALIAS_CHANGES)
class AliasUpdate(Input):
    """Where an alias leads from now on."""

    model = _models()


class AliasFilters(Filters):
    """What aliases may be narrowed by."""

    model = serializers.CharField(required=False, help_text="A served model's name.")
    enabled = serializers.BooleanField(required=False)


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


@example(examples.NEW_REPLICA)
class ReplicaCreate(Input):
    """A new replica."""

    model = _models()
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


class ReplicaFilters(Filters):
    """What replicas may be narrowed by."""

    model = serializers.CharField(required=False, help_text="A served model's name.")
    state = serializers.ChoiceField(choices=Replica.State.choices, required=False)
