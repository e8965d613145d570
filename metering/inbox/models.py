"""What a provider told us has happened, and how far we came with it.

An event is a hint: which object of which account changed, and in what way. What it said
beyond that is not kept, since whoever acts on it reads the object again.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from kit.orm.audited import Audited

ACCOUNT_CHARS_MAX = 40
REFERENCE_CHARS_MAX = 255
TYPE_CHARS_MAX = 100
PROBLEM_CHARS_MAX = 500


class WebhookEvent(models.Model):
    """One event of one account, however often and by which way it came."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        IGNORED = "ignored", "ignored: it is nothing to us"
        PARKED = "parked", "parked: somebody must look"

    class Source(models.TextChoices):
        WEBHOOK = "webhook"
        CATCH_UP = "catch_up", "catch-up"

    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    event_id = models.CharField(max_length=REFERENCE_CHARS_MAX)
    type = models.CharField(max_length=TYPE_CHARS_MAX)
    object_id = models.CharField(max_length=REFERENCE_CHARS_MAX, blank=True)
    api_version = models.CharField(max_length=40, blank=True)
    source = models.CharField(max_length=8, choices=Source)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # When it is tried next; while an attempt runs, when that one counts as lost.
    next_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=PROBLEM_CHARS_MAX, blank=True)
    occurred_at = models.DateTimeField(help_text="By the provider's clock.")
    received_at = models.DateTimeField()
    # The first attempt since it came, or was driven anew: patience counts from here.
    tried_since = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    audited: ClassVar = Audited("webhook_event", tenant=None, by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("account", "event_id"), name="webhook_event_once"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", next_at__isnull=False)
                | (~Q(state="waiting") & Q(next_at=None)),
                name="webhook_event_waits_for_a_moment",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_at",),
                condition=Q(state="waiting"),
                name="webhook_event_due",
            ),
            models.Index(
                fields=("account", "object_id"),
                condition=Q(state="waiting"),
                name="webhook_event_of_object",
            ),
            models.Index(
                fields=("id",),
                condition=Q(state="parked"),
                name="webhook_event_parked",
            ),
            models.Index(fields=("received_at",), name="webhook_event_received"),
        )

    def __str__(self) -> str:
        return self.event_id


class Progress(models.Model):
    """Up to where the events of an account were listed, beside those it sent."""

    account = models.CharField(max_length=ACCOUNT_CHARS_MAX, unique=True)
    # Everything that happened before this is here.
    listed_to = models.DateTimeField()
    # The same of meters' reports, which are listed apart where meters are told.
    reports_to = models.DateTimeField(null=True, blank=True)
    listed_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=PROBLEM_CHARS_MAX, blank=True)

    class Meta:
        verbose_name = "catch-up"
        verbose_name_plural = "catch-up"

    def __str__(self) -> str:
        return self.account
