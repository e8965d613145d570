"""Engines: one row for each running process, how it is reached and what it takes."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from inference.control.models.served import ServedModel
from inference.control.models.values import engine_url, environment_name
from inference.engines.presets import faults
from kit.orm.audited import Audited

# As many sequences as vLLM runs at once unless it is told otherwise.
SLOTS, SLOTS_MAX = 256, 65_536
WEIGHT, WEIGHT_MAX = 100, 1000


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
        max_length=500, validators=[engine_url], verbose_name="base URL"
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
        validators=[environment_name],
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
    slots = models.PositiveIntegerField(
        default=SLOTS,
        db_default=SLOTS,
        validators=[MinValueValidator(1), MaxValueValidator(SLOTS_MAX)],
        help_text=(
            "How many requests it is given at a time, by all gateways together: what"
            " the engine runs at once, such as vLLM's --max-num-seqs."
        ),
    )
    weight = models.PositiveSmallIntegerField(
        default=WEIGHT,
        db_default=WEIGHT,
        validators=[MinValueValidator(1), MaxValueValidator(WEIGHT_MAX)],
        help_text="Its share of the work beside the model's other replicas.",
    )
    canary = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether it serves the model's canary share.",
    )
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("replica", tenant=None)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def giving(self) -> dict[str, Any]:
        """Return what is not the default of what it is given."""
        usual = {"slots": SLOTS, "weight": WEIGHT, "canary": False}
        said = {name: getattr(self, name) for name in usual}
        return {name: value for name, value in said.items() if value != usual[name]}

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
