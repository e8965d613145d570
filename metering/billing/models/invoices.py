"""Billing periods, invoices and their lines, and what they charge."""

import datetime as dt
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from kit.contracts import TokenClass
from kit.money import quote_per_million
from kit.orm.audited import Audited
from kit.orm.fields import PicosField
from metering.billing.accounts import DEFAULT
from metering.billing.models.parties import Seller

_ONE_DAY = dt.timedelta(days=1)
_NOTHING = models.Value({}, models.JSONField())


class Period(models.Model):
    """A half-open span of billing days that becomes one invoice."""

    class State(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    first_date = models.DateField()
    end_date = models.DateField(help_text="The first date that is not in the period.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    closed_at = models.DateTimeField(null=True)

    audited: ClassVar = Audited("period", by_people=True)

    class Meta:
        ordering = ("-starts_at", "tenant_id")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "first_date"), name="period_starts_once"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="period_has_length",
            ),
        )
        indexes = (
            models.Index(
                fields=("first_date", "tenant"),
                condition=models.Q(state="open"),
                name="period_to_close",
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.first_date} to {self.end_date}"


class Invoice(models.Model):
    """What a tenant owes for a period. It has a number once issued, and keeps it.

    `amount_minor` is what it asks for, taxes included and credit taken off;
    `subtotal_minor` is before both. What was paid, credited and written off of it
    follows later, and never changes what it says.

    A period's invoice charges what was posted of days before `days_to`, up to the
    posting `posted_to`; of days before `days_from` only what came after `posted_from`.
    """

    class Kind(models.TextChoices):
        PERIOD = "period"
        TOP_UP = "top_up", "top-up"

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAID = "paid"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible"

    public_id = models.UUIDField(unique=True, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    kind = models.CharField(
        max_length=8, choices=Kind, default=Kind.PERIOD, db_default=Kind.PERIOD
    )
    period = models.OneToOneField(
        Period, models.PROTECT, related_name="invoice", null=True, blank=True
    )
    seller = models.ForeignKey(Seller, models.PROTECT, related_name="invoices")
    provider = models.CharField(max_length=16)
    provider_account = models.CharField(
        max_length=40,
        default=DEFAULT,
        db_default=DEFAULT,
        help_text="Which of our accounts at the provider takes it.",
    )
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    # A draft has no number; null, because only numbers must be unique.
    number = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001
    currency = models.CharField(max_length=3)
    exact_picos = PicosField()
    amount_minor = models.BigIntegerField()
    subtotal_minor = models.BigIntegerField(default=0, db_default=0)
    tax_minor = models.BigIntegerField(default=0, db_default=0)
    paid_minor = models.BigIntegerField(default=0, db_default=0)
    credited_minor = models.BigIntegerField(default=0, db_default=0)
    written_off_minor = models.BigIntegerField(default=0, db_default=0)
    lines_sha256 = models.CharField(max_length=64)
    # All that its lines are made from beside the postings, so that they can be again.
    basis = models.JSONField(default=dict, blank=True, db_default=_NOTHING)
    days_from = models.DateField(null=True, blank=True)
    days_to = models.DateField(null=True, blank=True)
    posted_from = models.BigIntegerField(null=True, blank=True)
    posted_to = models.BigIntegerField(null=True, blank=True)
    grace_s = models.IntegerField(
        null=True,
        blank=True,
        help_text="How long after the period's end running requests were waited for.",
    )
    # The buyer and the seller as they were when the invoice was issued.
    buyer = models.JSONField(default=dict, blank=True, db_default=_NOTHING)
    seller_details = models.JSONField(default=dict, blank=True, db_default=_NOTHING)
    provider_reference = models.CharField(max_length=100, blank=True)
    hosted_url = models.CharField(max_length=500, blank=True)
    problem = models.CharField(
        max_length=500, blank=True, help_text="Why the invoice is held as a draft."
    )
    carried_minor = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Too little to be asked for: carried to the next invoice there.",
    )
    # How often its provider was tried in vain, and when it is tried again.
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    try_after = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    issued_at = models.DateTimeField(null=True)
    # Days of the tenant's zone, kept as they were when the invoice was issued.
    issued_date = models.DateField(null=True)
    due_date = models.DateField(null=True)

    audited: ClassVar = Audited("invoice", by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("seller", "number"),
                condition=models.Q(number__isnull=False),
                name="invoice_number_unique_in_seller",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="period", period__isnull=False)
                | ~models.Q(kind="period") & models.Q(period__isnull=True),
                name="invoice_of_a_period_has_one",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    paid_minor__gte=0, credited_minor__gte=0, written_off_minor__gte=0
                ),
                name="invoice_takes_off_no_less_than_nothing",
            ),
            # The marks of a tenant are a chain: one first, each with one successor.
            models.UniqueConstraint(
                fields=("tenant",),
                condition=models.Q(days_from=None, days_to__isnull=False),
                name="invoice_marks_begin_once",
            ),
            models.UniqueConstraint(
                fields=("tenant", "days_from", "posted_from"),
                name="invoice_marks_go_on_once",
            ),
            models.UniqueConstraint(
                fields=("tenant", "days_to", "posted_to"),
                name="invoice_marks_end_once",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    days_from=None, posted_from=None, days_to=None, posted_to=None
                )
                | models.Q(
                    days_from=None,
                    posted_from=None,
                    days_to__isnull=False,
                    posted_to__isnull=False,
                )
                | models.Q(
                    days_to__gt=models.F("days_from"),
                    posted_to__gte=models.F("posted_from"),
                ),
                name="invoice_marks_go_forward",
            ),
        )
        indexes = (
            models.Index(
                fields=("id",),
                condition=models.Q(hosted_url=""),
                name="invoice_to_advance",
            ),
            # Few of all invoices are unpaid, and fewer are overdue.
            models.Index(
                fields=("due_date",),
                condition=models.Q(state="open"),
                name="invoice_to_follow_up",
            ),
        )

    def __str__(self) -> str:
        return self.number or f"draft {self.public_id}"

    @property
    def first_date(self) -> dt.date | None:
        """Return the first day that it is for; a top-up is for none."""
        return self.period.first_date if self.period else None

    @property
    def last_date(self) -> dt.date | None:
        """Return the last day that it is for."""
        return self.period.end_date - _ONE_DAY if self.period else None


class InvoiceLine(models.Model):
    """One reason of an invoice's amount, exact and as charged.

    `key` says within the invoice which reason it is, the same whenever it is made. Use
    has a price and token class; of other lines `document` says how they came about.
    """

    class Kind(models.TextChoices):
        USAGE = "usage"
        ADJUSTMENT = "adjustment"
        COMPONENT = "component"
        FEE = "fee"
        DISCOUNT = "discount"
        COMMITMENT = "commitment"
        CREDIT = "credit"
        TAX = "tax"
        TOP_UP = "top_up", "top-up"

    tenant_id = models.BigIntegerField()
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(max_length=200, blank=True, default="", db_default="")
    description = models.CharField(max_length=300)
    model = models.CharField(max_length=128, blank=True, default="", db_default="")
    price_id = models.BigIntegerField(null=True, blank=True)
    token_class = models.SmallIntegerField(
        choices=[(member.value, member.name.lower()) for member in TokenClass],
        null=True,
        blank=True,
    )
    quantity = models.BigIntegerField()
    unit_picos = models.BigIntegerField(null=True, blank=True)
    exact_picos = PicosField()
    amount_minor = models.BigIntegerField()
    document = models.JSONField(default=dict, blank=True, db_default=_NOTHING)

    class Meta:
        ordering = ("invoice_id", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("invoice", "position"), name="invoice_line_position_unique"
            ),
            models.UniqueConstraint(
                fields=("invoice", "key"),
                condition=~models.Q(key=""),
                name="invoice_line_key_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    price_id__isnull=False,
                    token_class__isnull=False,
                    unit_picos__isnull=False,
                )
                | ~models.Q(kind__in=("usage", "adjustment")),
                name="invoice_line_of_use_has_a_price",
            ),
        )
        # Each close looks for fees that were paid in advance.
        indexes = (
            models.Index(
                fields=("tenant_id",),
                condition=models.Q(kind="fee"),
                name="invoice_line_of_fee",
            ),
        )

    def __str__(self) -> str:
        return self.description

    @property
    def class_name(self) -> str:
        """Return its token class, or nothing where it has none."""
        if self.token_class is None:
            return ""
        return TokenClass(self.token_class).name.lower()

    @property
    def price_per_million(self) -> str:
        """Return its price as it is quoted, or nothing where it has none."""
        return "" if self.unit_picos is None else quote_per_million(self.unit_picos)


class ClaimedPosting(models.Model):
    """The one invoice line that a ledger day posting was charged in."""

    pk = models.CompositePrimaryKey(
        "tenant_id", "date", "price_id", "token_class", "revision"
    )
    tenant_id = models.BigIntegerField()
    date = models.DateField()
    price_id = models.BigIntegerField()
    token_class = models.SmallIntegerField()
    revision = models.PositiveIntegerField()
    line = models.ForeignKey(InvoiceLine, models.PROTECT, related_name="postings")

    def __str__(self) -> str:
        return f"{self.date} r{self.revision} in line {self.line_id}"
