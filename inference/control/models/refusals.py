"""How often requests were refused, as the gateways counted it."""

from django.db import models


class Refusal(models.Model):
    """Requests of one kind that a gateway's run refused within an hour of UTC.

    `source` is the run; what several counted adds up. Key, project and model are 0 and
    empty where that was not told apart. `refused_by` is the limit that refused, as
    `level:unit:window`. Forgotten after a month; see `inference.control.refusals`.
    """

    pk = models.CompositePrimaryKey(
        "tenant_id",
        "hour",
        "source",
        "project_id",
        "api_key_id",
        "model",
        "status",
        "code",
        "refused_by",
    )
    tenant_id = models.BigIntegerField()
    hour = models.DateTimeField()
    source = models.CharField(max_length=128)
    project_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    model = models.CharField(max_length=128)
    status = models.SmallIntegerField()
    code = models.CharField(max_length=64)
    refused_by = models.CharField(max_length=64)
    requests = models.BigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("hour",), name="refusal_by_hour"),)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.hour:%Y-%m-%dT%H} {self.code}: {self.requests}"
