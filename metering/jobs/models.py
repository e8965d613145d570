"""Long work: what was asked for and by whom, how far it is, and what came of it."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited


class Job(models.Model):
    """One piece of long work, done in steps; of a kind and subject, one at a time.

    `place` is the work's own note of where the last step left off. `began_at` and
    `began_with` are of the present run: how fast it goes is reckoned from them.
    """

    class State(models.TextChoices):
        # Nobody has taken a step yet.
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=60)
    subject = models.CharField(max_length=200, help_text="What it is about.")
    title = models.CharField(max_length=200)
    tenant_id = models.BigIntegerField(null=True, blank=True)
    asked = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    place = models.JSONField(default=dict, blank=True)
    done = models.BigIntegerField(default=0)
    whole = models.BigIntegerField(null=True, blank=True)
    outcome = models.JSONField(default=dict, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    # Steps begun and not kept since the last one that was.
    tries = models.PositiveSmallIntegerField(default=0)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    began_at = models.DateTimeField(null=True, blank=True)
    began_with = models.BigIntegerField(default=0)
    stepped_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    audited: ClassVar = Audited("job", tenant=None, by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "subject"),
                condition=models.Q(state__in=("waiting", "running")),
                name="job_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(done__gte=0)
                & (models.Q(whole__isnull=True) | models.Q(whole__gte=0)),
                name="job_counts_up",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=("waiting", "running"), finished_at__isnull=True
                )
                | (
                    ~models.Q(state__in=("waiting", "running"))
                    & models.Q(finished_at__isnull=False)
                ),
                name="job_ends_when_it_ends",
            ),
        )
        indexes = (
            models.Index(
                fields=("id",),
                condition=models.Q(state__in=("waiting", "running")),
                name="job_to_be_done",
            ),
            models.Index(fields=("kind", "subject", "-id"), name="job_of_a_subject"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def has_ended(self) -> bool:
        """Tell whether no more steps are taken, unless somebody resumes it."""
        return self.state not in {self.State.WAITING, self.State.RUNNING}
