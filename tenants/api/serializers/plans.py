"""What the management API takes and shows of plans."""

from typing import Any, ClassVar

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import plans as examples
from tenants.api.serializers.tenants import SLUG_HELP
from tenants.models import PLAN_WEIGHT, PLAN_WEIGHT_MAX, Plan, Priority


class PlanReference(serializers.PrimaryKeyRelatedField[Plan]):
    """A plan by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no plan {pk_value}."
    }


def _weight(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1,
        max_value=PLAN_WEIGHT_MAX,
        help_text="What each of its tenants gets of a busy model, beside others.",
        **options,
    )


def _priority_max(**options: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(
        choices=Priority.choices,
        help_text="The best class that requests of its tenants' keys may ask for.",
        **options,
    )


@example(examples.PLAN)
class PlanOutput(serializers.ModelSerializer[Plan]):
    """A plan."""

    class Meta:
        model = Plan
        fields = (
            "id",
            "slug",
            "name",
            "is_default",
            "weight",
            "priority_max",
            "created_at",
        )
        read_only_fields = fields


@example(examples.NEW_PLAN)
class PlanCreate(Input):
    """A new plan."""

    slug = serializers.CharField(max_length=63, help_text=SLUG_HELP)
    name = serializers.CharField(max_length=200)
    is_default = serializers.BooleanField(
        default=False, help_text="Whether it holds for tenants on no other plan."
    )
    weight = _weight(default=PLAN_WEIGHT)
    priority_max = _priority_max(default=Priority.DEFAULT)


@example(examples.PLAN_CHANGES)
class PlanUpdate(Input):
    """What may change of a plan."""

    name = serializers.CharField(max_length=200, required=False)
    weight = _weight(required=False)
    priority_max = _priority_max(required=False)


class PlanFilters(Filters):
    """What plans may be narrowed by."""

    slug = serializers.CharField(required=False)
    is_default = serializers.BooleanField(required=False)
