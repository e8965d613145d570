"""What was checked, when, and what did not agree: kept for good.

A run is written before it looks at anything, so that one that died is seen. Once it
has ended neither it nor its differences change, by trigger.
"""

import datetime as dt

from django.db import models

# No run takes this long: the worker ends it before, and so does each statement's limit.
RUN_TIME_MAX = dt.timedelta(hours=2)


class Run(models.Model):
    """One pass over the books, as of one instant."""

    class Kind(models.TextChoices):
        RECONCILE = "reconcile", "reconcile (the chain over a window)"
        VERIFY_LEDGER = "verify_ledger", "verify ledger (every invariant)"

    class State(models.TextChoices):
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
    rows_seen = models.BigIntegerField(default=0)
    difference_count = models.BigIntegerField(default=0)
    # What each check saw, and the sums of each step; amounts are text, in picos.
    checks = models.JSONField(default=list)
    steps = models.JSONField(default=list)
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
