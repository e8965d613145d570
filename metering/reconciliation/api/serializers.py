"""What the management API shows of reconciliation.

Amounts are text, in picos: no reader may take them for floats.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters
from metering.reconciliation import selectors
from metering.reconciliation.api import examples
from metering.reconciliation.catalogue import ALL
from metering.reconciliation.models import Run


class RunFilters(Filters):
    """What runs may be narrowed by."""

    kind = serializers.ChoiceField(choices=Run.Kind.choices, required=False)
    state = serializers.ChoiceField(choices=Run.State.choices, required=False)


class DifferenceFilters(Filters):
    """What a run's differences may be narrowed by."""

    check = serializers.ChoiceField(
        choices=list(ALL), required=False, help_text="The name of a check."
    )


@example(examples.RUN)
class ReconciliationRunOutput(serializers.Serializer[Any]):
    """One pass over the books, as of one instant."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Run.Kind.choices)
    state = serializers.ChoiceField(choices=Run.State.choices)
    start = serializers.DateField(
        source="first_date",
        allow_null=True,
        help_text="The first billing day; null means no bound.",
    )
    end = serializers.DateField(
        source="end_date",
        allow_null=True,
        help_text="The first billing day that was not looked at.",
    )
    tenant_id = serializers.IntegerField(
        allow_null=True, help_text="The only tenant looked at; null means all."
    )
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    rows = serializers.IntegerField(source="rows_seen", help_text="Rows looked at.")
    differences = serializers.IntegerField(
        source="difference_count", help_text="All of them, listed or not."
    )
    problem = serializers.CharField(help_text="Why it crashed, if it did.")


class ReconciliationCheckOutput(serializers.Serializer[Any]):
    """What one check of a run saw."""

    name = serializers.CharField()
    proves = serializers.SerializerMethodField(help_text="What holds if it agrees.")
    rows = serializers.IntegerField()
    differences = serializers.IntegerField()

    def get_proves(self, check: dict[str, Any]) -> str:
        """Return the invariant in words."""
        return selectors.proves(check["name"])


class ReconciliationStepOutput(serializers.Serializer[Any]):
    """One step of the chain in one currency."""

    name = serializers.CharField()
    currency = serializers.CharField()
    rows = serializers.IntegerField()
    charge_picos = serializers.CharField()
    differs_picos = serializers.CharField(
        help_text="What neither the step nor what waits for it accounts for."
    )
    waits = serializers.IntegerField(help_text="How much waits for the step.")
    waits_as = serializers.CharField(help_text="What waits: event, day or posting.")
    waits_picos = serializers.CharField()


@example({**examples.RUN, "checks": [examples.CHECK], "steps": [examples.STEP]})
class ReconciliationRunDetailOutput(ReconciliationRunOutput):
    """A run with its checks and the sums of the chain."""

    checks = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()

    @extend_schema_field(ReconciliationCheckOutput(many=True))
    def get_checks(self, run: Run) -> Any:
        """Return the checks in the order in which they were made."""
        return ReconciliationCheckOutput(run.checks, many=True).data

    @extend_schema_field(ReconciliationStepOutput(many=True))
    def get_steps(self, run: Run) -> Any:
        """Return the chain, by currency."""
        return ReconciliationStepOutput(run.steps, many=True).data


@example(examples.DIFFERENCE)
class DifferenceOutput(serializers.Serializer[Any]):
    """Two records of the same thing that do not say the same."""

    id = serializers.IntegerField()
    check = serializers.CharField(source="check_name")
    tenant_id = serializers.IntegerField(allow_null=True)
    subject = serializers.CharField()
    expected = serializers.CharField(help_text="By the record that decides.")
    found = serializers.CharField(help_text="In the record made from it.")
