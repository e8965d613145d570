"""What was asked with an `Idempotency-Key`: its last attempt, and those before it.

Gateways write both tables through functions of the database alone (`claims.py`); Django
credits and forgets. Keys and bodies are digests under a secret of their own: what a
client chose or said is not in here.
"""

from django.db import models
from django.db.models import F, Q

DIGEST_BYTES = 32


class Claim(models.Model):
    """The last attempt of what was asked with one key: there is one row a key.

    `key_digest` is of the API key and the endpoint, too. `number` counts the attempts
    from one, since `first_admitted_at`.
    """

    pk = models.CompositePrimaryKey("tenant_id", "key_digest")
    tenant_id = models.BigIntegerField()
    key_digest = models.BinaryField(max_length=DIGEST_BYTES)
    body_digest = models.BinaryField(max_length=DIGEST_BYTES)
    first_admitted_at = models.DateTimeField()
    number = models.IntegerField()
    request_id = models.UUIDField()
    epoch_id = models.BigIntegerField()

    class Meta:
        indexes = (
            models.Index(fields=("first_admitted_at",), name="claim_by_first_admitted"),
        )

    def __str__(self) -> str:
        return f"{self.request_id}, attempt {self.number}"


class Retry(models.Model):
    """One attempt that had ended and was tried again, as `retried_by`.

    `credit` is the first or the second of its key's: that there is no third, the
    database itself knows.
    """

    pk = models.CompositePrimaryKey(
        "tenant_id", "key_digest", "first_admitted_at", "number"
    )
    tenant_id = models.BigIntegerField()
    key_digest = models.BinaryField(max_length=DIGEST_BYTES)
    first_admitted_at = models.DateTimeField()
    number = models.IntegerField()
    request_id = models.UUIDField()
    epoch_id = models.BigIntegerField()
    retried_by = models.UUIDField()
    judged_at = models.DateTimeField(null=True)
    credit = models.SmallIntegerField(null=True)

    class Meta:
        verbose_name_plural = "retries"
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "key_digest", "first_admitted_at", "credit"),
                condition=Q(credit__isnull=False),
                name="retry_credits_once",
            ),
            models.CheckConstraint(
                condition=Q(credit__isnull=True) | Q(credit__in=(1, 2)),
                name="retry_credits_two_at_most",
            ),
            models.CheckConstraint(
                condition=Q(credit__isnull=True) | Q(judged_at__isnull=False),
                name="retry_credit_is_judged",
            ),
            models.CheckConstraint(
                condition=~Q(request_id=F("retried_by")),
                name="retry_is_another_request",
            ),
        )
        indexes = (
            models.Index(
                fields=("tenant_id", "first_admitted_at", "number"),
                condition=Q(judged_at__isnull=True),
                name="retry_to_judge",
            ),
            models.Index(fields=("first_admitted_at",), name="retry_by_first_admitted"),
        )

    def __str__(self) -> str:
        return f"{self.request_id}, attempt {self.number}"
