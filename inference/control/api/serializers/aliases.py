"""What the management API takes and shows of aliases."""

from rest_framework import serializers

from inference.control.api import examples
from inference.control.api.serializers.references import named_model
from inference.control.models import ModelAlias, ServedModel
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input


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
    model = named_model()


@example(examples.ALIAS_CHANGES)
class AliasUpdate(Input):
    """Where an alias leads from now on."""

    model = named_model()


class AliasFilters(Filters):
    """What aliases may be narrowed by."""

    model = serializers.CharField(required=False, help_text="A served model's name.")
    enabled = serializers.BooleanField(required=False)
