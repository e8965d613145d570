"""What the management API shows of reconciliation.

Amounts are text, in picos: no reader may take them for floats.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from metering.reconciliation import selectors
from metering.reconciliation.api import examples
from metering.reconciliation.catalogue import ALL
from metering.reconciliation.models import Case, Run


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


class ReconciliationTokenStepOutput(serializers.Serializer[Any]):
    """One step of the chain in tokens, over what could be compared."""

    name = serializers.CharField()
    prompt_tokens = serializers.IntegerField()
    generated_tokens = serializers.IntegerField()
    known_most = serializers.IntegerField(
        help_text="By how much it may differ from the step before, for known reasons."
    )


@example(
    {
        **examples.RUN,
        "checks": [examples.CHECK],
        "steps": [examples.STEP],
        "tokens": [examples.TOKENS],
    }
)
class ReconciliationRunDetailOutput(ReconciliationRunOutput):
    """A run with its checks and the sums of the chain."""

    checks = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()
    tokens = serializers.SerializerMethodField()

    @extend_schema_field(ReconciliationCheckOutput(many=True))
    def get_checks(self, run: Run) -> Any:
        """Return the checks in the order in which they were made."""
        return ReconciliationCheckOutput(run.checks, many=True).data

    @extend_schema_field(ReconciliationStepOutput(many=True))
    def get_steps(self, run: Run) -> Any:
        """Return the chain, by currency."""
        return ReconciliationStepOutput(run.steps, many=True).data

    @extend_schema_field(ReconciliationTokenStepOutput(many=True))
    def get_tokens(self, run: Run) -> Any:
        """Return the chain in tokens, from the engines' counters on."""
        return ReconciliationTokenStepOutput(run.tokens or [], many=True).data


@example(examples.DIFFERENCE)
class DifferenceOutput(serializers.Serializer[Any]):
    """Two records of the same thing that do not say the same."""

    id = serializers.IntegerField()
    check = serializers.CharField(source="check_name")
    tenant_id = serializers.IntegerField(allow_null=True)
    subject = serializers.CharField()
    expected = serializers.CharField(help_text="By the record that decides.")
    found = serializers.CharField(help_text="In the record made from it.")


@example({"kind": "reconcile"})
class RunCreate(Input):
    """Which kind of run is wanted."""

    kind = serializers.ChoiceField(choices=Run.Kind.choices)


class CaseFilters(Filters):
    """What cases may be narrowed by."""

    state = serializers.ChoiceField(choices=Case.State.choices, required=False)
    check = serializers.CharField(
        max_length=40, required=False, help_text="The name of a check."
    )
    owned = serializers.BooleanField(
        required=False, help_text="Whether an operator looks after it."
    )
    owner = serializers.IntegerField(
        required=False, help_text="The account of the operator who looks after it."
    )


@example(examples.CASE)
class ReconciliationCaseOutput(serializers.Serializer[Any]):
    """One thing that does not agree, however many runs found it."""

    id = serializers.IntegerField()
    check = serializers.CharField(source="check_name")
    tenant_id = serializers.IntegerField(allow_null=True)
    subject = serializers.CharField()
    state = serializers.ChoiceField(choices=Case.State.choices)
    expected = serializers.CharField(help_text="As the last run said.")
    found = serializers.CharField(help_text="As the last run said.")
    amount = serializers.IntegerField(
        help_text="How far apart the two are; 0 where that is no number."
    )
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(
        allow_null=True, help_text="When a run found that it was gone."
    )
    run_id = serializers.IntegerField(
        allow_null=True, help_text="The last run that found it."
    )
    owner = serializers.IntegerField(
        source="owner_id",
        allow_null=True,
        help_text="The account of the operator who looks after it.",
    )
    note = serializers.CharField(help_text="The explanation, if there is one.")
    explained_at = serializers.DateTimeField(allow_null=True)


@example({"owner": None})
class CaseTake(Input):
    """Who looks after a case from now on."""

    owner = serializers.IntegerField(
        allow_null=True, help_text="An operator's account; null for nobody."
    )


@example({"note": "A benchmark was run on the engine itself."})
class CaseExplain(Input):
    """Why a case is as it is."""

    note = serializers.CharField(max_length=1000)


class ProofFilters(Filters):
    """What proofs may be narrowed by."""

    gateway = serializers.CharField(max_length=200, required=False)
    run = serializers.IntegerField(
        required=False, help_text="The run that made them last."
    )
    complete = serializers.BooleanField(required=False)


@example(examples.PROOF)
class EpochProofOutput(serializers.Serializer[Any]):
    """What the last run to look at an epoch counted of it."""

    gateway = serializers.CharField()
    epoch = serializers.IntegerField()
    run_id = serializers.IntegerField(
        source="proof.run_id", help_text="The run that counted."
    )
    closed = serializers.BooleanField(source="proof.is_closed")
    heartbeat_at = serializers.DateTimeField(
        source="proof.heartbeat_at",
        help_text="What an open epoch says of itself is as of then.",
    )
    admitted = serializers.IntegerField(source="proof.admitted")
    settled = serializers.IntegerField(source="proof.settled")
    voided = serializers.IntegerField(source="proof.voided")
    open = serializers.IntegerField(
        source="proof.left_open",
        help_text="At work; of a closed epoch, lost and seen only as a difference.",
    )
    last_seq = serializers.IntegerField(source="proof.last_seq")
    events = serializers.IntegerField(
        source="proof.events", help_text="Of it, corrections included."
    )
    originals = serializers.IntegerField(
        source="proof.originals", help_text="One for each request it settled."
    )
    rolled_seq = serializers.IntegerField(
        source="proof.rolled_seq", help_text="Rolled up to this number."
    )
    complete = serializers.BooleanField(source="proof.is_complete")


class EngineFilters(Filters):
    """What engine processes may be narrowed by."""

    replica = serializers.IntegerField(required=False)


@example(examples.ENGINE)
class EngineProcessOutput(serializers.Serializer[Any]):
    """One run of an engine, and what it says that it has counted."""

    id = serializers.IntegerField()
    address = serializers.CharField()
    number = serializers.IntegerField(help_text="Of those at this address.")
    engine = serializers.CharField(help_text="Empty where it counts no tokens.")
    started_at = serializers.DateTimeField(
        allow_null=True, help_text="By its own clock, if it says so."
    )
    replicas = serializers.ListField(
        child=serializers.IntegerField(), source="replica_ids"
    )
    first_read_at = serializers.DateTimeField(allow_null=True)
    last_read_at = serializers.DateTimeField(allow_null=True)
    prompt_tokens = serializers.IntegerField()
    generated_tokens = serializers.IntegerField()
    problem = serializers.CharField(help_text="Why it is not read or not compared.")
