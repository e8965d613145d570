"""Prove of every epoch that nothing of it is missing, and keep the proof.

An epoch is one run of one gateway process. Its proof: what it admitted it settled,
voided or has open; its events are numbered 1 to its last, each once; every request
that it settled has exactly one original event. The same is held by checks, which list
what is missing; a proof says of each epoch that it was looked at, and what was counted.

Failure: an open epoch's own words are as of its last heartbeat. One that was closed
from outside left requests behind that only the engines counted: they stay open in its
proof until somebody explains them.
"""

from kit.orm.atomic import cursor
from metering.reconciliation.checks.check import Scope
from metering.reconciliation.checks.epochs import EPOCHS_AT_WORK
from metering.reconciliation.models import EpochProof, Run

_COUNT = f"""
WITH {EPOCHS_AT_WORK},
counted AS (
    SELECT epoch_id, count(*) AS events, count(DISTINCT seq) AS numbers,
        max(seq) AS greatest_seq, count(*) FILTER (WHERE kind = 0) AS originals
    FROM usage_event WHERE epoch_id IN (SELECT id FROM epoch) GROUP BY epoch_id
),
held AS (
    SELECT epoch.id, epoch.state = 'closed' AS is_closed, epoch.heartbeat_at,
        epoch.admitted, epoch.settled, epoch.voided, epoch.last_seq,
        epoch.open_since IS NULL AS is_by_itself,
        coalesce(counted.events, 0) AS events, coalesce(numbers, 0) AS numbers,
        coalesce(greatest_seq, 0) AS greatest_seq,
        coalesce(originals, 0) AS originals, coalesce(mark.rolled_seq, 0) AS rolled_seq
    FROM epoch LEFT JOIN counted ON counted.epoch_id = epoch.id
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
)
SELECT id, is_closed, heartbeat_at, admitted, settled, voided, last_seq, events,
    greatest_seq, originals, rolled_seq, greatest(0, admitted - settled - voided),
    events = last_seq AND numbers = last_seq AND greatest_seq = last_seq,
    originals = settled,
    NOT is_closed OR admitted = settled + voided
        OR (admitted < settled + voided AND NOT is_by_itself)
FROM held ORDER BY id
"""  # noqa: S608 - put together from the constants above

_COUNTED = (
    "is_closed",
    "heartbeat_at",
    "admitted",
    "settled",
    "voided",
    "last_seq",
    "events",
    "greatest_seq",
    "originals",
    "rolled_seq",
    "left_open",
    "is_numbered",
    "is_settled",
    "is_counted",
)
_BATCH = 500


def count_epochs(scope: Scope) -> tuple[EpochProof, ...]:
    """Count the epochs that were at work in the scope; nothing is written."""
    with cursor() as session:
        session.execute(_COUNT, scope.parameters)
        return tuple(
            EpochProof(epoch_id=epoch_id, **dict(zip(_COUNTED, counted, strict=True)))
            for epoch_id, *counted in session.fetchall()
        )


def keep_proofs(run: Run, proofs: tuple[EpochProof, ...]) -> None:
    """Keep the proofs as those of a run, in the place of earlier ones."""
    for proof in proofs:
        proof.run = run
    EpochProof.objects.bulk_create(
        proofs,
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["epoch"],
        update_fields=["run", *_COUNTED],
    )
