"""Which shares of budgets were crossed, what was told of it, to whom, and how it went.

A crossing stands until it is cleared, so that a share is told of once and not at each
request. What is told is an event; each way to each reader is a delivery of its own,
which is tried again until it is done or given up. A delivery by mail names the member
and not the address: whoever is forgotten is forgotten here too.
"""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from kit.orm.fields import PicosField
from tenants.models import Member, Tenant


class EventType(models.TextChoices):
    """What may be told."""

    THRESHOLD_REACHED = "budget.threshold_reached", "share reached"
    SPENT = "budget.spent", "spent"
    RESUMED = "budget.resumed", "resumed"
    TOP_UP_WAITING = "top_up.waiting", "top-up waits"
    TOP_UP_FAILED = "top_up.failed", "top-up failed"
    MODEL_RETIRING = "model.retiring", "model retires"
    ENDPOINT_PAUSED = "webhook_endpoint.paused", "webhook endpoint paused"
    TEST = "webhook_endpoint.test", "test"


# Those that endpoints may choose among.
CHOSEN_EVENTS = (
    EventType.THRESHOLD_REACHED,
    EventType.SPENT,
    EventType.RESUMED,
    EventType.TOP_UP_WAITING,
    EventType.TOP_UP_FAILED,
    EventType.MODEL_RETIRING,
)


class Watch(models.Model):
    """From where on a window is looked at again: used that far, or at that instant.

    One row for each window of `metering.budgets` that has not ended. Without
    `due_amount` no use of it crosses anything.
    """

    window_id = models.BigIntegerField(primary_key=True)
    tenant_id = models.BigIntegerField()
    due_amount = PicosField(null=True)
    look_at = models.DateTimeField(db_index=True)
    looked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("tenant_id",), name="alert_watch_of_tenant"),)

    def __str__(self) -> str:
        return f"watch on window {self.window_id}"


class Crossing(models.Model):
    """A share of the limit on a window that was used up, until it is cleared.

    `limit_amount` and `used` are as they were then, in picos or tokens. Of several that
    were crossed at once the highest was told.
    """

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    window_id = models.BigIntegerField()
    level = models.CharField(max_length=8)
    holder_id = models.BigIntegerField()
    kind = models.CharField(max_length=8)
    is_hard = models.BooleanField()
    share = models.PositiveSmallIntegerField(help_text="Percent of the limit.")
    limit_amount = PicosField()
    used = PicosField()
    was_told = models.BooleanField()
    crossed_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("window_id", "is_hard", "share"),
                condition=models.Q(cleared_at=None),
                name="alert_crossing_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.share} % of a {self.kind}"


class Endpoint(models.Model):
    """An address that is called with events: a tenant's with its own, or all events.

    Without a tenant it is the installation's. The secret is sealed; that of before is
    signed with as well until `former_until`.
    """

    class PausedBecause(models.TextChoices):
        SOMEBODY = "somebody", "somebody paused it"
        FAILING = "failing", "it failed for long"
        GONE = "gone", "it answered that it is gone"

    tenant = models.ForeignKey(
        Tenant,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whose events; empty for those of all tenants.",
    )
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    url = models.CharField(max_length=2000)
    events = ArrayField(
        models.CharField(max_length=40, choices=EventType),
        default=list,
        blank=True,
        help_text="Empty for all.",
    )
    sealed_secret = models.BinaryField()
    sealed_former_secret = models.BinaryField(null=True)
    former_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    paused_at = models.DateTimeField(null=True, editable=False)
    paused_because = models.CharField(
        max_length=8, choices=PausedBecause, blank=True, editable=False
    )
    removed_at = models.DateTimeField(null=True, editable=False)
    # How it goes: since when nothing was delivered, and when something last was.
    failing_since = models.DateTimeField(null=True, editable=False)
    last_succeeded_at = models.DateTimeField(null=True, editable=False)

    audited: ClassVar = Audited(
        "webhook_endpoint",
        hidden=frozenset(
            {
                "sealed_secret",
                "sealed_former_secret",
                "failing_since",
                "last_succeeded_at",
            }
        ),
    )

    class Meta:
        ordering = ("-id",)
        verbose_name = "webhook endpoint"
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "id"), name="alerts_endpoint_of_tenant"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """Tell whether it is called: active, failing, paused or removed."""
        if self.removed_at is not None:
            return "removed"
        if self.paused_at is not None:
            return "paused"
        return "active" if self.failing_since is None else "failing"


class Event(models.Model):
    """Something that is told; `data` is what webhooks say of it, word for word."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, related_name="+")
    uid = models.UUIDField(unique=True)
    type = models.CharField(max_length=40, choices=EventType)
    data = models.JSONField()
    # What it tells of, where a tenant is told of that once; else empty.
    once = models.CharField(
        max_length=250, default="", db_default="", blank=True, editable=False
    )
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("once", "tenant"),
                condition=~models.Q(once=""),
                name="alerts_event_once",
            ),
            models.UniqueConstraint(
                fields=("tenant", "id"), name="alerts_event_of_tenant"
            ),
        )

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """Return the id that readers know it by: the same at each attempt."""
        return f"evt_{self.uid.hex}"


class Delivery(models.Model):
    """One event on its way to one reader.

    It is the tenant's whose reader that is, and nobody's where the endpoint is the
    installation's. A mail without a member goes to the tenant's billing address.
    """

    class Channel(models.TextChoices):
        MAIL = "mail"
        WEBHOOK = "webhook"

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        GIVEN_UP = "given_up", "given up"
        DROPPED = "dropped", "dropped"

    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, related_name="+")
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel)
    endpoint = models.ForeignKey(
        Endpoint, models.PROTECT, null=True, related_name="deliveries"
    )
    member = models.ForeignKey(Member, models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # When it is tried next; while an attempt runs, when that one counts as lost.
    next_at = models.DateTimeField(null=True)
    last_tried_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=200, blank=True)
    # How long the last attempt took, of a call that was made.
    last_ms = models.PositiveIntegerField(null=True)
    # Sent again because somebody asked: tried once, and says nothing of the endpoint.
    is_replay = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        constraints = (
            models.UniqueConstraint(
                fields=("event", "channel", "endpoint", "member"),
                condition=models.Q(is_replay=False),
                nulls_distinct=False,
                name="alert_delivery_once",
            ),
            models.CheckConstraint(
                condition=models.Q(channel="webhook", endpoint__isnull=False)
                | models.Q(channel="mail", endpoint=None, tenant__isnull=False),
                name="alert_delivery_has_a_reader",
            ),
        )
        indexes = (
            models.Index(
                fields=("channel", "next_at"),
                condition=models.Q(state="waiting"),
                name="alert_delivery_due",
            ),
            models.Index(fields=("endpoint", "-id"), name="alert_delivery_of_endpoint"),
        )

    def __str__(self) -> str:
        return f"{self.channel} {self.pk}"
