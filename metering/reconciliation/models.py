"""What was checked, when, what did not agree, and who sees to it: kept for good.

A run is written before it looks at anything, so that one that died is seen. Once it
has ended neither it nor its differences change, by trigger. A case is what goes on
from run to run: the same difference, until it is gone or explained.
"""

import datetime as dt
from typing import ClassVar

from django.conf import settings
from django.db import models

from kit.orm.audited import Audited
from metering.reconciliation.engines.models import EngineProcess, EngineReading
from metering.usage.models import Epoch

__all__ = [
    "RUN_TIME_MAX",
    "Case",
    "Difference",
    "EngineProcess",
    "EngineReading",
    "EpochProof",
    "Run",
]

# No run takes this long: the worker ends it before, and so does each statement's limit.
RUN_TIME_MAX = dt.timedelta(hours=2)


class Run(models.Model):
    """One pass over the books, as of one instant."""

    class Kind(models.TextChoices):
        RECONCILE = "reconcile", "reconcile (the chain over a window)"
        VERIFY_LEDGER = "verify_ledger", "verify ledger (every invariant)"

    class State(models.TextChoices):
        # Somebody wants it, and no worker has begun with it.
        ASKED = "asked"
        RUNNING = "running"
        AGREES = "agrees"
        DIFFERS = "differs"
        CRASHED = "crashed"

    kind = models.CharField(max_length=16, choices=Kind)
    # Of which billing days, half-open; no date means no bound.
    first_date = models.DateField(null=True)
    end_date = models.DateField(null=True)
    tenant_id = models.BigIntegerField(null=True)
    is_whole = models.BooleanField(
        default=False, help_text="Covers all that a nightly run of its kind covers."
    )
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # The number of the last transaction that was there before: what it has seen.
    ledger_seen = models.BigIntegerField(null=True)
    rows_seen = models.BigIntegerField(default=0)
    difference_count = models.BigIntegerField(default=0)
    # What each check saw, and the sums of each step; amounts are text, in picos.
    checks = models.JSONField(default=list)
    steps = models.JSONField(default=list)
    # The chain in tokens, from the engines' counters on; null where none was made.
    tokens = models.JSONField(null=True)
    problem = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Difference(models.Model):
    """Two records of the same thing that do not say the same."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="differences")
    check_name = models.CharField("check", max_length=40)
    tenant_id = models.BigIntegerField(null=True)
    subject = models.CharField(max_length=300)
    expected = models.CharField(max_length=300)
    found = models.CharField(max_length=300)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.check_name}: {self.subject}"


class Case(models.Model):
    """One thing that does not agree, however many runs find it.

    Told from others by check and subject. `amount` is how far apart its two records
    are, zero where that is no number; `told_amount` is what operators were last told,
    and `explained_amount` what an explanation covers. A case that nobody has been told
    of has no `told_at`.
    """

    class State(models.TextChoices):
        OPEN = "open"
        EXPLAINED = "explained"
        RESOLVED = "resolved", "resolved by itself"

    check_name = models.CharField("check", max_length=40)
    subject = models.CharField(max_length=300)
    tenant_id = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    expected = models.CharField(max_length=300)
    found = models.CharField(max_length=300)
    amount = models.BigIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    run = models.ForeignKey(
        Run, models.PROTECT, null=True, blank=True, related_name="cases"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    note = models.CharField(max_length=1000, blank=True)
    explained_at = models.DateTimeField(null=True, blank=True)
    explained_amount = models.BigIntegerField(default=0)
    resolved_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    told_amount = models.BigIntegerField(default=0)

    audited: ClassVar = Audited("reconciliation_case", tenant=None, by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("check_name", "tenant_id", "subject"),
                nulls_distinct=False,
                name="reconciliation_case_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="explained") | ~models.Q(note=""),
                name="reconciliation_case_explained_says_why",
            ),
        )
        indexes = (
            models.Index(
                fields=("id",),
                condition=models.Q(state="open"),
                name="reconciliation_case_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.check_name}: {self.subject}"


class EpochProof(models.Model):
    """What the last run to look at an epoch counted of it: the proof, or what it lacks.

    `admitted`, `settled`, `voided` and `last_seq` are the epoch's own words at that
    instant, the rest is counted from its events.
    """

    epoch = models.OneToOneField(
        Epoch, models.PROTECT, primary_key=True, related_name="proof"
    )
    run = models.ForeignKey(Run, models.PROTECT, related_name="proofs")
    is_closed = models.BooleanField()
    heartbeat_at = models.DateTimeField()
    admitted = models.BigIntegerField()
    settled = models.BigIntegerField()
    voided = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    events = models.BigIntegerField()
    greatest_seq = models.BigIntegerField()
    originals = models.BigIntegerField()
    rolled_seq = models.BigIntegerField()
    # Admitted, and neither settled nor voided: at work, or lost with their host.
    left_open = models.BigIntegerField()
    is_numbered = models.BooleanField()
    is_settled = models.BooleanField()
    is_counted = models.BooleanField()

    class Meta:
        ordering = ("-epoch_id",)
        verbose_name = "completeness of an epoch"
        verbose_name_plural = "completeness of epochs"

    def __str__(self) -> str:
        return f"completeness of {self.epoch}"

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing is missing of what the epoch said."""
        return self.is_numbered and self.is_settled and self.is_counted
