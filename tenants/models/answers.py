"""Answers to writes, kept for a day, so that a repeated request is done once."""

from django.db import models


class StoredAnswer(models.Model):
    """What a write with an `Idempotency-Key` was answered; sealed with its bearer.

    The row is inserted with the write and in its transaction: of two requests with one
    key the later waits for the earlier.
    """

    tenant_id = models.BigIntegerField(null=True)
    # Kind and id of the caller: keys of two callers never meet.
    caller = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    # Of method, path and body: one key is for one request.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    sealed = models.BinaryField(default=bytes)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "caller", "key"),
                nulls_distinct=False,
                name="stored_answer_once",
            ),
        )
        indexes = (models.Index(fields=("created_at",), name="stored_answer_by_age"),)

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
