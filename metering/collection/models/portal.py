"""Links to the provider's page for customers."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from kit.orm.audited import Audited
from metering.collection.models.purchases import URL_CHARS_MAX
from metering.topups.models import PROBLEM_CHARS_MAX


class PortalLink(models.Model):
    """A link that a tenant asked for: whoever has it is let in, for minutes.

    It is forgotten after a day.
    """

    class State(models.TextChoices):
        ASKED = "asked"
        READY = "ready"
        FAILED = "failed"

    public_id = models.UUIDField(unique=True, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    account = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=State, default=State.ASKED)
    url = models.CharField(max_length=URL_CHARS_MAX, blank=True, default="")
    problem = models.CharField(max_length=PROBLEM_CHARS_MAX, blank=True, default="")
    asked_at = models.DateTimeField()
    try_at = models.DateTimeField()

    audited: ClassVar = Audited("portal_link", hidden=frozenset({"url", "try_at"}))

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=("try_at",),
                condition=Q(state="asked"),
                name="portal_link_to_make",
            ),
        )

    def __str__(self) -> str:
        return f"portal link {self.pk}"
