"""Which values columns take: names, addresses, and choices with their defaults."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from inference.engines.presets import url_fault
from inference.openai.defaults import check_defaults
from inference.openai.media import Modality
from inference.openai.tasks import GENERATING, Task
from inference.tokenizers.own import tokenizer_names
from kit.errors import InvalidRequest

model_name = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}\Z",
    "Start with a letter or digit; then letters, digits and . _ : / - may follow.",
)
environment_name = RegexValidator(
    r"^ENGINE_KEY_[A-Z0-9_]+\Z", "Name an environment variable ENGINE_KEY_…"
)


def engine_url(value: str) -> None:
    """Accept `http://host:port` or https, with an optional path and nothing else."""
    if said := url_fault(value):
        raise ValidationError(said)


MODALITIES = [(kind.value, kind.value) for kind in Modality]
TASKS = [(task.value, task.value) for task in Task]


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
