"""What a provider's meters are told of use, hour by hour."""

import datetime as dt
from typing import ClassVar

from django.db import models
from django.db.models import Q

from kit.orm.audited import Audited
from metering.collection.models.following import ACCOUNT_CHARS_MAX, TEXT_CHARS_MAX

HOUR = dt.timedelta(hours=1)
EVENT_NAME_CHARS_MAX = 100
# Of every currency there is, thrice.
CODES_CHARS_MAX = 2000


class Counted(models.TextChoices):
    """What can be told of use: a count of hour rollups each."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens", "input tokens"
    CACHED_INPUT_TOKENS = "cached_input_tokens", "cached input tokens"
    OUTPUT_TOKENS = "output_tokens", "output tokens"
    REASONING_TOKENS = "reasoning_tokens", "reasoning tokens"


class MeterEvent(models.Model):
    """Some use of a tenant in an hour of UTC, told once under its identifier.

    What it says never changes. What an hour gained later is another event, with the
    next number.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        TOLD = "told"
        CANCELLING = "cancelling", "being taken back"
        CANCELLED = "cancelled", "taken back"
        PARKED = "parked", "parked: somebody must look"
        DROPPED = "dropped", "not told: the next one says it"

    # Found by its account's tenants, for which there is an index.
    tenant = models.ForeignKey(
        "tenants.Tenant", models.PROTECT, related_name="+", db_index=False
    )
    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    counted = models.CharField(max_length=20, choices=Counted)
    hour = models.DateTimeField()
    seq = models.PositiveIntegerField("number")
    quantity = models.BigIntegerField()
    identifier = models.CharField(max_length=100)
    event_name = models.CharField(max_length=EVENT_NAME_CHARS_MAX)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    problem = models.CharField(
        max_length=TEXT_CHARS_MAX,
        blank=True,
        default="",
        help_text="Why it waits, or was not told.",
    )
    # Part of the key of a call. While a call is in doubt it is made again under the
    # same one; `sent_at` is when it was first made.
    attempt = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    refusals = models.PositiveSmallIntegerField(default=0)
    noted_at = models.DateTimeField()
    try_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)

    audited: ClassVar = Audited("meter_event", by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("account", "tenant", "hour", "counted", "seq"),
                name="meter_event_once",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0), name="meter_event_is_positive"
            ),
        )
        indexes = (
            models.Index(fields=("hour",), name="meter_event_by_hour"),
            models.Index(
                fields=("account", "try_at"),
                condition=Q(state__in=("waiting", "cancelling")),
                name="meter_event_to_tell",
            ),
            models.Index(
                fields=("id",), condition=Q(state="parked"), name="meter_event_parked"
            ),
        )

    def __str__(self) -> str:
        return self.identifier

    @property
    def hour_ends_at(self) -> dt.datetime:
        """Return the end of its hour."""
        return self.hour + HOUR

    @property
    def is_tried(self) -> bool:
        """Tell whether a call to tell it, or to take it back, may have been heard."""
        if self.state == self.State.CANCELLING:
            return self.sent_at is not None or self.refusals > 0
        return self.state == self.State.WAITING and self.attempt > 0

    @property
    def is_surely_untold(self) -> bool:
        """Tell whether no meter has it: never sent, or not counted, as was reported."""
        if self.state == self.State.PARKED:
            return not self.attempt or self.told_at is not None
        return self.state == self.State.WAITING and not self.attempt


# Rows of which that holds.
IS_TRIED = Q(state=MeterEvent.State.WAITING, attempt__gt=0) | (
    Q(state=MeterEvent.State.CANCELLING)
    & (Q(sent_at__isnull=False) | Q(refusals__gt=0))
)


class MeterDifference(models.Model):
    """An hour of which more was told than was used, and that cannot be taken back."""

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    counted = models.CharField(max_length=20, choices=Counted)
    hour = models.DateTimeField()
    told = models.BigIntegerField()
    used = models.BigIntegerField()
    since = models.DateTimeField()

    class Meta:
        ordering = ("-hour", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "tenant", "hour", "counted"),
                name="meter_difference_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.counted} of {self.hour:%Y-%m-%d %H:%M}"


class MeterProgress(models.Model):
    """From which hour on an account is told of use, and how far that has come."""

    account = models.CharField(max_length=ACCOUNT_CHARS_MAX, unique=True)
    told_from = models.DateTimeField()
    # Up to where hours were last looked at.
    noted_to = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=TEXT_CHARS_MAX, blank=True, default="")

    class Meta:
        verbose_name_plural = "meter progress"

    def __str__(self) -> str:
        return self.account


class MeterCurrencies(models.Model):
    """Which currencies an account takes from an hour on: these, or all but these."""

    account = models.CharField(max_length=ACCOUNT_CHARS_MAX)
    since = models.DateTimeField()
    codes = models.CharField(max_length=CODES_CHARS_MAX, blank=True, default="")
    takes_these = models.BooleanField()

    class Meta:
        ordering = ("account", "-since")
        verbose_name_plural = "meter currencies"
        constraints = (
            models.UniqueConstraint(
                fields=("account", "since"), name="meter_currencies_once"
            ),
        )

    def __str__(self) -> str:
        which = self.codes.replace(",", ", ") or "none"
        return which if self.takes_these else f"all but {which}"
