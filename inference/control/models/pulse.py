"""What each gateway process said of itself last."""

from django.db import models


class Pulse(models.Model):
    """One gateway process as it was at `at`, on the database's clock; see `live`.

    Gateways write their own row every two seconds and read none. A process that has
    gone leaves its row, which is forgotten after a day.
    """

    gateway = models.CharField(max_length=128, primary_key=True)
    at = models.DateTimeField()
    started_at = models.DateTimeField()
    body = models.JSONField()

    def __str__(self) -> str:
        return f"{self.gateway} at {self.at:%H:%M:%S}"
