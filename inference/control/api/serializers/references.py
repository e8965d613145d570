"""Served models where something else names them."""

from typing import Any, ClassVar

from rest_framework import serializers

from inference.control.models import ServedModel


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


def named_model() -> ModelReference:
    """Return a field that names one of the served models, as a filter would."""
    return ModelReference(queryset=ServedModel.objects.all(), slug_field="name")
