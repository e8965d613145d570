"""What the management API takes and shows of served models.

Inputs say the type of each field; the services say which values are allowed.
"""

from typing import Any

from rest_framework import serializers

from inference.control.api import examples
from inference.control.api.serializers import serving
from inference.control.api.serializers.references import ModelReference
from inference.control.models import (
    CACHE_S_MAX,
    Policy,
    ServedModel,
    default_modalities,
    default_tasks,
)
from inference.openai.media import Modality
from inference.openai.requests import CHOICES_MAX
from inference.openai.tasks import Task
from kit.acting import current
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input

_TOKENS_MAX = 2**31 - 1
_HOW_IT_IS_SERVED = (
    "policy",
    "canary_permille",
    "queue_max",
    "queue_ms",
    "wake_ms",
)
_OPERATORS = "Null to tenants."
_TASKS = [task.value for task in Task]
_MODALITIES = [kind.value for kind in Modality]


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


def _figure() -> serializers.IntegerField:
    return serializers.IntegerField(
        read_only=True, allow_null=True, help_text=_OPERATORS
    )


@example(examples.MODEL)
class ModelOutput(serializers.ModelSerializer[ServedModel]):
    """A served model."""

    base = serializers.SlugRelatedField[ServedModel](
        slug_field="name", read_only=True, allow_null=True
    )
    successor = serializers.SlugRelatedField[ServedModel](
        slug_field="name",
        read_only=True,
        allow_null=True,
        help_text="What to call instead once it retires.",
    )
    tasks = serializers.ListField(
        child=serializers.ChoiceField(choices=_TASKS), read_only=True
    )
    modalities = serializers.ListField(
        child=serializers.ChoiceField(choices=_MODALITIES), read_only=True
    )
    defaults = serializers.DictField(read_only=True)
    tokenizer = serializers.CharField(read_only=True)
    adapter = serializers.CharField(
        read_only=True, allow_null=True, help_text=_OPERATORS
    )
    policy = serializers.ChoiceField(
        choices=Policy.choices, read_only=True, allow_null=True, help_text=_OPERATORS
    )
    canary_permille = _figure()
    queue_max = _figure()
    queue_ms = _figure()
    wake_ms = _figure()
    fallbacks = serializers.SerializerMethodField(
        help_text="Which models answer, in this order, where no engine of it does, each"
        " at its own price."
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
            "tasks",
            "modalities",
            "base",
            "adapter",
            "defaults",
            "choices_max",
            "allows_tools",
            "cache_s",
            *_HOW_IT_IS_SERVED,
            "fallbacks",
            "enabled",
            "retires_at",
            "successor",
            "created_at",
        )
        read_only_fields = fields

    def get_fallbacks(self, row: ServedModel) -> list[str]:
        """Return their names; to tenants of those that are offered."""
        is_operator = current().is_operator
        return [each.name for each in row.fallbacks if is_operator or each.enabled]

    def to_representation(self, instance: ServedModel) -> dict[str, Any]:
        """Show how it is served to operators alone."""
        shown: dict[str, Any] = super().to_representation(instance)
        if not current().is_operator:
            shown |= dict.fromkeys(("adapter", *_HOW_IT_IS_SERVED))
        return shown


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
    policy = serving.policy(default=Policy.PREFIX_AWARE)
    canary_permille = serving.canary_permille(default=0)
    queue_max = serving.queue_max(default=1000)
    queue_ms = serving.queue_ms(default=30_000)
    wake_ms = serving.wake_ms(default=0)
    fallbacks = serving.fallbacks(default=list)


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
    policy = serving.policy(required=False)
    canary_permille = serving.canary_permille(required=False)
    queue_max = serving.queue_max(required=False)
    queue_ms = serving.queue_ms(required=False)
    wake_ms = serving.wake_ms(required=False)
    fallbacks = serving.fallbacks(required=False)


@example(examples.RETIREMENT)
class RetirementPlan(Input):
    """When a model retires, and what is to be called instead."""

    retires_at = serializers.DateTimeField(
        help_text="From when on its calls are refused: to come, within three years."
    )
    successor = ModelReference(
        queryset=ServedModel.objects.all(),
        slug_field="name",
        allow_null=True,
        default=None,
        help_text="An offered model that serves all that this one does.",
    )


class ModelFilters(Filters):
    """What served models may be narrowed by."""

    enabled = serializers.BooleanField(required=False)
    name = serializers.CharField(required=False)
    search = serializers.CharField(
        required=False, help_text="Part of the name or the description."
    )
