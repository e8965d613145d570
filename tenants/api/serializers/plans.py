"""What the management API takes and shows of plans."""

from typing import Any, ClassVar

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import plans as examples
from tenants.api.serializers.tenants import SLUG_HELP
from tenants.models import Plan


class PlanReference(serializers.PrimaryKeyRelatedField[Plan]):
    """A plan by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no plan {pk_value}."
    }


@example(examples.PLAN)
class PlanOutput(serializers.ModelSerializer[Plan]):
    """A plan."""

    class Meta:
        model = Plan
        fields = ("id", "slug", "name", "is_default", "created_at")
        read_only_fields = fields


@example(examples.NEW_PLAN)
class PlanCreate(Input):
    """A new plan."""

    slug = serializers.CharField(max_length=63, help_text=SLUG_HELP)
    name = serializers.CharField(max_length=200)
    is_default = serializers.BooleanField(
        default=False, help_text="Whether it holds for tenants on no other plan."
    )


@example(examples.PLAN_CHANGES)
class PlanUpdate(Input):
    """What may change of a plan."""

    name = serializers.CharField(max_length=200, required=False)


class PlanFilters(Filters):
    """What plans may be narrowed by."""

    slug = serializers.CharField(required=False)
    is_default = serializers.BooleanField(required=False)
