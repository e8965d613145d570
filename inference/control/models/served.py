"""What callers ask for: models by public name, and other names that lead to them."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from inference.caching.naming import priced_as
from inference.control.models.serving import ServingSettings
from inference.control.models.values import (
    MODALITIES,
    TASKS,
    default_modalities,
    default_tasks,
    model_name,
    sampling_defaults,
    tokenizer_choices,
)
from inference.openai.requests import CHOICES_MAX
from kit.json_values import is_object
from kit.orm.audited import Audited

CACHE_S_MAX = 7 * 24 * 3600
PRICED_NAME_CHARS = 128
_TAKEN = "A served model or an alias has this name."


class ServedModel(ServingSettings):
    """A model under its public name; the name is what prices and usage refer to."""

    name = models.CharField(max_length=128, unique=True, validators=[model_name])
    description = models.CharField(max_length=500, blank=True)
    context_tokens = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    max_output_tokens = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=(
            "The most a request may ask for, and what it gets when it asks for nothing."
        ),
    )
    tokenizer = models.CharField(
        max_length=32,
        blank=True,
        db_default="",
        choices=tokenizer_choices,
        help_text="Counts tokens where an engine reports none; else leave it empty.",
    )
    tasks = ArrayField(
        models.CharField(max_length=16, choices=TASKS),
        default=default_tasks,
        db_default=default_tasks(),
        help_text="What its engines can be asked for.",
    )
    modalities = ArrayField(
        models.CharField(max_length=16, choices=MODALITIES),
        default=default_modalities,
        db_default=default_modalities(),
        help_text="Which kinds of input its engines take.",
    )
    base = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="adapters",
        db_index=False,
        help_text=(
            "For a LoRA adapter: the model whose replicas serve it, as long as it has"
            " none of its own."
        ),
    )
    adapter = models.CharField(
        max_length=128,
        blank=True,
        default="",
        db_default="",
        help_text="The engines' own name of the adapter; empty when it is the same.",
    )
    defaults = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        validators=[sampling_defaults],
        help_text=(
            'What holds where a request says nothing, such as {"temperature": 0.6}.'
        ),
    )
    choices_max = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(CHOICES_MAX)],
        help_text="The most answers that one request may ask for by 'n'.",
    )
    allows_tools = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Whether requests may offer tools to the model.",
    )
    cache_s = models.PositiveIntegerField(
        default=0,
        db_default=0,
        verbose_name="cache seconds",
        validators=[MaxValueValidator(CACHE_S_MAX)],
        help_text=(
            "How long an answer is kept for the same tenant's same request; 0: not at"
            " all. Only under a price for the model's name with @cache behind it."
        ),
    )
    enabled = models.BooleanField(default=True)
    retires_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="From when on its calls are refused.",
    )
    successor = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="succeeds",
        db_index=False,
        help_text="What callers are told to call instead.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("model", tenant=None)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def fallbacks(self) -> list["ServedModel"]:
        """Return the models that answer in its place, in order."""
        return [row.fallback for row in self.fallback_rows.all()]

    @property
    def pool_id(self) -> int:
        """Return whose replicas serve it unless it has its own: an adapter's base's."""
        return self.base_id or self.pk

    @property
    def takes_over(self) -> "ServedModel | None":
        """Return what to call instead once it retires; None while that is disabled."""
        return self.successor if self.successor and self.successor.enabled else None

    def clean(self) -> None:
        """Refuse an answer that the context cannot hold."""
        longest = self.max_output_tokens
        # A form whose context was refused comes here with none.
        if longest is not None and longest > (self.context_tokens or longest):
            message = f"The context holds {self.context_tokens} tokens: give no more."
            raise ValidationError({"max_output_tokens": message})
        if self.cache_s and len(priced_as(self.name)) > PRICED_NAME_CHARS:
            message = "The name is too long to have a price for answers from the cache."
            raise ValidationError({"cache_s": message})
        if not is_object(self.defaults):
            # Django asks no validator about what it takes for empty.
            raise ValidationError({"defaults": "The defaults must be an object."})
        if self.adapter and self.base is None:
            message = "Only a model with a base is an adapter: name the base, too."
            raise ValidationError({"adapter": message})
        self._clean_base()
        if ModelAlias.objects.filter(name=self.name).exists():
            raise ValidationError({"name": ValidationError(_TAKEN, code="unique")})

    def _clean_base(self) -> None:
        """Refuse a base that is an adapter itself: one step leads to the replicas."""
        base = self.base
        if base is None:
            return
        if base.base_id is not None or base.pk == self.pk:
            message = "The base must be a model that has no base itself."
            raise ValidationError({"base": message})
        if not self._state.adding and self.adapters.exists():
            message = "Other models have this one as their base, so it can have none."
            raise ValidationError({"base": message})


class ModelAlias(models.Model):
    """Another name of a served model, which limits, prices and usage do not know."""

    name = models.CharField(max_length=128, unique=True, validators=[model_name])
    model = models.ForeignKey(ServedModel, models.PROTECT, related_name="aliases")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("model_alias", tenant=None)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "model aliases"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse the name of a served model."""
        if ServedModel.objects.filter(name=self.name).exists():
            raise ValidationError({"name": ValidationError(_TAKEN, code="unique")})
