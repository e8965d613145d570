"""What engines said that they counted: one row a process, and its readings.

A process is what answers at one address until it is started anew. Its first and last
reading are kept for good, those between are thinned out and end after a while, so that
the table grows with restarts and not with time.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class EngineProcess(models.Model):
    """One run of an engine, told from the next by its mark or by counts that fell.

    `engine` is empty where nothing was ever counted; `problem` says why it is not read
    or not compared. At an address that several processes share, no count is anybody's.
    """

    address = models.CharField(max_length=600)
    number = models.PositiveIntegerField()
    engine = models.CharField(max_length=16, blank=True)
    mark = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(null=True)
    replica_ids = ArrayField(models.BigIntegerField())
    first_read_at = models.DateTimeField(null=True)
    last_read_at = models.DateTimeField(null=True)
    prompt_tokens = models.BigIntegerField(default=0)
    generated_tokens = models.BigIntegerField(default=0)
    tried_at = models.DateTimeField()
    problem = models.CharField(max_length=200, blank=True)
    is_shared = models.BooleanField(default=False)

    class Meta:
        ordering = ("-id",)
        verbose_name = "engine process"
        verbose_name_plural = "engine processes"
        constraints = (
            models.UniqueConstraint(
                fields=("address", "number"), name="engine_process_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.address} #{self.number}"


class EngineReading(models.Model):
    """What a process had counted at an instant between two, by the database's clock.

    The first of a process whose start was seen is no answer of its: it says that all
    counts were zero as it started.
    """

    process = models.ForeignKey(
        EngineProcess, models.PROTECT, related_name="readings", db_index=False
    )
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField()
    is_start = models.BooleanField(default=False)
    replica_ids = ArrayField(models.BigIntegerField())
    prompt_tokens = models.BigIntegerField(default=0)
    generated_tokens = models.BigIntegerField(default=0)
    running = models.IntegerField(default=0)
    preemptions = models.BigIntegerField(default=0)
    extra_samples = models.BigIntegerField(default=0)
    samples_max = models.IntegerField(default=1)
    context_tokens = models.BigIntegerField()
    answer_tokens_max = models.BigIntegerField()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=("process", "answered_at"), name="engine_reading_in_order"
            ),
        )

    def __str__(self) -> str:
        return f"{self.process_id} at {self.answered_at:%Y-%m-%d %H:%M:%S}"
