"""What was published: the entries that gateways follow, and the order they came in."""

from django.db import models


class Publication(models.Model):
    """One published entry; a body of null says that the entry is gone.

    `tenant_id` says whose key, limits or tenant it is, and nothing of what is
    everybody's. It is no foreign key: an entry outlives its row, and gateways read
    neither.
    """

    class Kind(models.TextChoices):
        API_KEY = "api_key"
        TENANT = "tenant"
        MODEL = "model"
        REPLICA = "replica"
        PLAN = "plan"
        LIMITS = "limits"
        ALIAS = "alias"

    pk = models.CompositePrimaryKey("kind", "key")
    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(max_length=128)
    version = models.BigIntegerField(db_index=True)
    body = models.JSONField(null=True)
    tenant_id = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}@{self.version}"


class PublicationVersion(models.Model):
    """The one row whose lock puts publications in order."""

    version = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(id=1), name="publication_version_one_row"
            ),
        )

    def __str__(self) -> str:
        return str(self.version)
