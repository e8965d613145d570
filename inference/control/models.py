"""What is served: models by public name, replicas that run them, what was published.

The gateways read only `Publication`. Every change of a published row writes its entry
under the next version and announces it in the same transaction; see
`inference.control.services`.
"""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.db.models.functions import Now

from inference.caching.naming import priced_as
from inference.engines.presets import faults, url_fault
from inference.openai.defaults import check_defaults
from inference.openai.media import Modality
from inference.openai.requests import CHOICES_MAX
from inference.openai.tasks import GENERATING, Task
from inference.tokenizers.own import tokenizer_names
from kit.errors import InvalidRequest
from kit.json_values import is_object
from kit.orm.audited import Audited

_model_name = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}\Z",
    "Start with a letter or digit; then letters, digits and . _ : / - may follow.",
)
_environment_name = RegexValidator(
    r"^ENGINE_KEY_[A-Z0-9_]+\Z", "Name an environment variable ENGINE_KEY_…"
)


def _engine_url(value: str) -> None:
    """Accept `http://host:port` or https, with an optional path and nothing else."""
    if said := url_fault(value):
        raise ValidationError(said)


CACHE_S_MAX = 7 * 24 * 3600
PRICED_NAME_CHARS = 128
_TAKEN = "A served model or an alias has this name."
_MODALITIES = [(kind.value, kind.value) for kind in Modality]
_TASKS = [(task.value, task.value) for task in Task]


def sampling_defaults(values: Any) -> None:
    """Accept what a request might have said of how to sample."""
    try:
        check_defaults(values)
    except InvalidRequest as refused:
        raise ValidationError(refused.message) from None


def default_tasks() -> list[str]:
    """Return what a model serves unless it is said: answers in words."""
    return sorted(task.value for task in GENERATING)


def tokenizer_choices() -> list[tuple[str, str]]:
    """Return the tokenizers that there are: shipped ones, and the installation's."""
    return [(name, name) for name in tokenizer_names(settings.TOKENIZER_DIR)]


def default_modalities() -> list[str]:
    """Return what every model takes."""
    return [Modality.TEXT.value]


class ServedModel(models.Model):
    """A model under its public name; the name is what prices and usage refer to."""

    name = models.CharField(max_length=128, unique=True, validators=[_model_name])
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
        models.CharField(max_length=16, choices=_TASKS),
        default=default_tasks,
        db_default=default_tasks(),
        help_text="What its engines can be asked for.",
    )
    modalities = ArrayField(
        models.CharField(max_length=16, choices=_MODALITIES),
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
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("model", tenant=None)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

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

    name = models.CharField(max_length=128, unique=True, validators=[_model_name])
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


class Replica(models.Model):
    """One running engine process that serves a model."""

    class Dialect(models.TextChoices):
        VLLM = "vllm", "vLLM"
        OPENAI = "openai", "OpenAI-compatible"
        SGLANG = "sglang", "SGLang"
        TGI = "tgi", "Text Generation Inference"
        LLAMACPP = "llamacpp", "llama.cpp"
        OLLAMA = "ollama", "Ollama"
        HUGGINGFACE = "huggingface", "Hugging Face endpoint"
        AZURE = "azure", "Azure OpenAI deployment"
        VERTEX = "vertex", "Google Vertex AI"
        ANTHROPIC = "anthropic", "Anthropic"
        BEDROCK = "bedrock", "Amazon Bedrock"
        SAGEMAKER = "sagemaker", "Amazon SageMaker"

    class Auth(models.TextChoices):
        BEARER = "bearer", "Bearer token, or none"
        API_KEY = "x-api-key", "x-api-key header"
        AZURE_KEY = "api-key", "api-key header"
        SIGV4 = "sigv4", "AWS signature"
        GOOGLE = "google", "Google token"
        OAUTH = "oauth", "OAuth client credentials"

    class State(models.TextChoices):
        ACTIVE = "active"
        DRAINING = "draining"
        DISABLED = "disabled"

    model = models.ForeignKey(ServedModel, models.PROTECT, related_name="replicas")
    name = models.CharField(max_length=63, unique=True)
    url = models.CharField(
        max_length=500, validators=[_engine_url], verbose_name="base URL"
    )
    dialect = models.CharField(max_length=16, choices=Dialect, default=Dialect.VLLM)
    upstream_model = models.CharField(
        max_length=128,
        blank=True,
        help_text=(
            "The engine's own name of the model, where it differs from the public one."
        ),
    )
    credential = models.CharField(
        max_length=100,
        blank=True,
        validators=[_environment_name],
        help_text="The environment variable that holds the engine's API key.",
    )
    auth = models.CharField(
        max_length=16,
        choices=Auth,
        default=Auth.BEARER,
        db_default="bearer",
        verbose_name="authentication",
        help_text="How the engine wants to be shown the API key.",
    )
    options = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="What the dialect wants to know besides, such as a region.",
    )
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("replica", tenant=None)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse options that its dialect or its authentication cannot work with."""
        said = faults(
            dialect=self.dialect,
            auth=self.auth,
            credential=self.credential,
            url=self.url,
            options=self.options,
        )
        if messages := list(said):
            raise ValidationError({"options": messages})


class Calibration(models.Model):
    """What a served model's engines make of prompts: its factors for `PromptBound`.

    Without factors, or without a row, the safe default holds. A row of its own, since
    the product writes it while people edit the model. `replicas` holds what came of
    asking each: its name, the mark of how it was reached, the outcome in a few words.
    """

    class State(models.TextChoices):
        CALIBRATED = "calibrated"
        UNABLE = "unable"
        FAILED = "failed"
        STALE = "stale"

    model = models.OneToOneField(
        ServedModel, models.PROTECT, related_name="calibration", primary_key=True
    )
    state = models.CharField(max_length=16, choices=State)
    factors = models.JSONField(null=True, blank=True)
    replicas = models.JSONField(default=list, blank=True)
    calibrated_at = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True)

    audited: ClassVar = Audited("calibration", tenant=None, by_people=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(state="calibrated")
                | models.Q(factors__isnull=False, calibrated_at__isnull=False),
                name="calibration_calibrated_has_factors",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model}: {self.state}"


class Publication(models.Model):
    """One published entry; a body of null says that the entry is gone.

    `tenant_id` says whose key, limits or tenant it is, and nothing of what is
    everybody's. It is no foreign key: an entry outlives its row, and gateways read
    neither.
    """

    class Kind(models.TextChoices):
        API_KEY = "api_key"
        TENANT = "tenant"
        MODEL = "model"
        REPLICA = "replica"
        PLAN = "plan"
        LIMITS = "limits"
        ALIAS = "alias"

    pk = models.CompositePrimaryKey("kind", "key")
    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(max_length=128)
    version = models.BigIntegerField(db_index=True)
    body = models.JSONField(null=True)
    tenant_id = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}@{self.version}"


class PublicationVersion(models.Model):
    """The one row whose lock puts publications in order."""

    version = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(id=1), name="publication_version_one_row"
            ),
        )

    def __str__(self) -> str:
        return str(self.version)
