"""What was used: immutable usage events, epochs that number them, their rollups.

Gateways write events and epochs through the SQL of `metering.intake`; Django only reads
them. Rollups advance along (epoch, seq), so their completeness can be proven.
"""

from django.db import models

from kit.contracts import CountedBy, EventKind, EventStatus, Surface, TokenClass
from kit.handling import Keyed
from kit.orm.fields import PicosField


def _choices(enumeration: type) -> list[tuple[int, str]]:
    return [(member.value, member.name.lower()) for member in enumeration]  # type: ignore[attr-defined]


class Epoch(models.Model):
    """One run of one gateway process: the fence for all it commits."""

    class State(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

    gateway = models.CharField(max_length=200)
    epoch = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State)
    last_seq = models.BigIntegerField(default=0)
    admitted = models.BigIntegerField(default=0)
    settled = models.BigIntegerField(default=0)
    voided = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    open_since = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("gateway", "epoch"), name="epoch_unique_in_gateway"
            ),
        )

    def __str__(self) -> str:
        return f"{self.gateway}#{self.epoch}"


class Checkpoint(models.Model):
    """What the running requests of an open epoch had used at its last heartbeat.

    `slots` are those of its gateway's journal (`metering.intake.slots`).
    """

    epoch = models.OneToOneField(Epoch, models.PROTECT, primary_key=True)
    slots = models.BinaryField()
    noted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.epoch_id} at {self.noted_at:%Y-%m-%dT%H:%M:%S}"


class Event(models.Model):
    """The immutable fact of one request, or a correction of one.

    Partitioned by range of `request_id`, whose leading bits are `admitted_at`.
    The model's name is its price's: without a price there is no call.
    """

    pk = models.CompositePrimaryKey("tenant_id", "request_id")
    request_id = models.UUIDField()
    admitted_at = models.DateTimeField()
    tenant_id = models.BigIntegerField()
    project_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    price_id = models.BigIntegerField()
    replica_id = models.BigIntegerField()
    epoch_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    charge_picos = models.BigIntegerField()
    first_token_us = models.BigIntegerField(null=True)
    duration_us = models.BigIntegerField()
    # When it was sent to its engine and when its client had the last token, both since
    # its arrival; of a stream the pieces with text and their longest distance.
    queue_us = models.BigIntegerField(null=True)
    last_token_us = models.BigIntegerField(null=True)
    chunks = models.IntegerField(null=True)
    gap_max_us = models.BigIntegerField(null=True)
    # How many replicas were tried, what was held when it was let in, and what part an
    # Idempotency-Key had; empty where nobody noted it.
    attempts = models.SmallIntegerField(null=True)
    held_input_tokens = models.IntegerField(null=True)
    held_output_tokens = models.IntegerField(null=True)
    keyed = models.SmallIntegerField(null=True, choices=_choices(Keyed))
    input_tokens = models.IntegerField()
    cached_input_tokens = models.IntegerField()
    output_tokens = models.IntegerField()
    reasoning_tokens = models.IntegerField()
    generated_tokens = models.IntegerField()
    kind = models.SmallIntegerField(choices=_choices(EventKind))
    status = models.SmallIntegerField(choices=_choices(EventStatus))
    counted_by = models.SmallIntegerField(choices=_choices(CountedBy))
    surface = models.SmallIntegerField(choices=_choices(Surface))
    streamed = models.BooleanField()
    corrects = models.UUIDField(null=True)
    committed_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "usage_event"

    def __str__(self) -> str:
        return str(self.request_id)


class Correction(models.Model):
    """One correction of an event per kind and source, so that none is made twice."""

    pk = models.CompositePrimaryKey("tenant_id", "corrects", "kind", "source")
    tenant_id = models.BigIntegerField()
    corrects = models.UUIDField()
    kind = models.SmallIntegerField(choices=_choices(EventKind))
    source = models.CharField(max_length=100)
    request_id = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.kind} of {self.corrects}"


class BillingDay(models.Model):
    """One billing day of a tenant: its two instants, computed once from its zone.

    And the half-open dates of its billing period. The tenant's first period may begin
    before its first day: what is due for a whole one is divided by its dates.
    """

    pk = models.CompositePrimaryKey("tenant_id", "date")
    tenant_id = models.BigIntegerField()
    date = models.DateField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    zone = models.CharField(max_length=64)
    period_start = models.DateField()
    period_end = models.DateField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="billing_day_has_length",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    date__gte=models.F("period_start"), date__lt=models.F("period_end")
                ),
                name="billing_day_in_its_period",
            ),
            models.UniqueConstraint(
                fields=("tenant_id", "starts_at"), name="billing_day_starts_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.date}"


class DayRollup(models.Model):
    """Sums of one billing day: what money is computed from."""

    pk = models.CompositePrimaryKey(
        "tenant_id", "date", "project_id", "api_key_id", "price_id", "token_class"
    )
    tenant_id = models.BigIntegerField()
    date = models.DateField()
    project_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    price_id = models.BigIntegerField()
    token_class = models.SmallIntegerField(choices=_choices(TokenClass))
    quantity = models.BigIntegerField()
    charge_picos = PicosField()

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.date} {self.token_class}"


class HourRollup(models.Model):
    """Sums of one hour of UTC: what charts are drawn from.

    One wide row per tenant and price: the price names the served model and, through its
    book, the currency, so that amounts never mix.
    """

    pk = models.CompositePrimaryKey("tenant_id", "hour", "price_id")
    tenant_id = models.BigIntegerField()
    hour = models.DateTimeField()
    price_id = models.BigIntegerField()
    requests = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    charge_picos = PicosField()

    class Meta:
        indexes = (models.Index(fields=("hour",), name="hour_rollup_by_hour"),)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.hour:%Y-%m-%dT%H}"


class KeyHourRollup(models.Model):
    """Sums of one hour of UTC by project and key: kept for a while, for charts.

    With keys there are nearly as many rows as events where a tenant has few: they are
    kept for as long as somebody looks at hours, and read from `KeyHourSpan` on.
    """

    pk = models.CompositePrimaryKey(
        "tenant_id", "hour", "project_id", "api_key_id", "price_id"
    )
    tenant_id = models.BigIntegerField()
    hour = models.DateTimeField()
    project_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    price_id = models.BigIntegerField()
    requests = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    charge_picos = PicosField()

    class Meta:
        indexes = (models.Index(fields=("hour",), name="key_hour_rollup_by_hour"),)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.hour:%Y-%m-%dT%H} {self.api_key_id}"


class KeyHourSpan(models.Model):
    """From which hour on there are hours by key; what is before is read from events."""

    kept_from = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(pk=1), name="key_hour_span_is_one"
            ),
        )

    def __str__(self) -> str:
        return f"from {self.kept_from:%Y-%m-%dT%H}"


class UtcRollup(models.Model):
    """Sums of one day or month of UTC, by key: what is asked over several tenants.

    Billing days are few tenants' days of UTC, and bounds of UTC cut the others.
    """

    pk = models.CompositePrimaryKey(
        "tenant_id",
        "is_month",
        "date",
        "project_id",
        "api_key_id",
        "model",
        "currency",
    )
    tenant_id = models.BigIntegerField()
    is_month = models.BooleanField()
    date = models.DateField(help_text="The day, or the first of the month.")
    project_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    model = models.CharField(max_length=128)
    currency = models.CharField(max_length=3)
    requests = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    charge_picos = PicosField()

    class Meta:
        indexes = (
            models.Index(fields=("is_month", "date"), name="utc_rollup_by_date"),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.date} {self.model}"


class HourTotal(models.Model):
    """Sums of one hour of UTC over all tenants: what the installation did."""

    pk = models.CompositePrimaryKey("hour", "model", "currency")
    hour = models.DateTimeField()
    model = models.CharField(max_length=128)
    currency = models.CharField(max_length=3)
    requests = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    charge_picos = PicosField()

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%dT%H} {self.model}"


class RollupMark(models.Model):
    """How far the rollups have come along one epoch's numbered events.

    Days, hours and totals move together. Hours, those by key (`keyed_seq`) or totals
    lag only where events were rolled up before there were any, and are caught up with
    by themselves.
    """

    epoch = models.OneToOneField(Epoch, models.PROTECT, primary_key=True)
    rolled_seq = models.BigIntegerField(default=0)
    hours_seq = models.BigIntegerField(db_default=0)
    totals_seq = models.BigIntegerField(db_default=0)
    keyed_seq = models.BigIntegerField(db_default=0)

    def __str__(self) -> str:
        return f"{self.epoch_id} up to {self.rolled_seq}"


class ChangedDay(models.Model):
    """A billing day whose rollup changed since the ledger last took it over."""

    pk = models.CompositePrimaryKey("tenant_id", "date")
    tenant_id = models.BigIntegerField()
    date = models.DateField()

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.date}"
