"""Who owes whom: billing periods, invoices, and calls to a billing provider.

An invoice line holds the exact sum and what is charged for it. A provider operation is
written before its call, so that a crash in between is seen and never charged twice.
"""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from kit.contracts import TokenClass
from kit.orm.audited import Audited
from kit.orm.fields import PicosField


class Seller(models.Model):
    """Who issues invoices: its locked counter keeps their numbers gapless."""

    name = models.CharField(max_length=200, unique=True)
    number_prefix = models.CharField(max_length=12, default="T-")
    last_number = models.BigIntegerField(default=0)

    audited: ClassVar = Audited("seller", tenant=None, by_people=True)

    def __str__(self) -> str:
        return self.name


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

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.first_date} to {self.end_date}"


class Invoice(models.Model):
    """What a tenant owes for a period. It has a number once issued, and keeps it."""

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAID = "paid"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible"

    public_id = models.UUIDField(unique=True, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    period = models.OneToOneField(Period, models.PROTECT, related_name="invoice")
    seller = models.ForeignKey(Seller, models.PROTECT, related_name="invoices")
    provider = models.CharField(max_length=16)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    # A draft has no number; null, because only numbers must be unique.
    number = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001
    currency = models.CharField(max_length=3)
    exact_picos = PicosField()
    amount_minor = models.BigIntegerField()
    lines_sha256 = models.CharField(max_length=64)
    provider_reference = models.CharField(max_length=100, blank=True)
    hosted_url = models.CharField(max_length=500, blank=True)
    problem = models.CharField(
        max_length=500, blank=True, help_text="Why the invoice is held as a draft."
    )
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
        )

    def __str__(self) -> str:
        return self.number or f"draft {self.public_id}"


class InvoiceLine(models.Model):
    """The use of one price and token class, exact and as charged."""

    class Kind(models.TextChoices):
        USAGE = "usage"
        ADJUSTMENT = "adjustment"

    tenant_id = models.BigIntegerField()
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    description = models.CharField(max_length=300)
    model = models.CharField(max_length=128)
    price_id = models.BigIntegerField()
    token_class = models.SmallIntegerField(
        choices=[(member.value, member.name.lower()) for member in TokenClass]
    )
    quantity = models.BigIntegerField()
    unit_picos = models.BigIntegerField()
    exact_picos = PicosField()
    amount_minor = models.BigIntegerField()

    class Meta:
        ordering = ("invoice_id", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("invoice", "position"), name="invoice_line_position_unique"
            ),
        )

    def __str__(self) -> str:
        return self.description


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


class ProviderCustomer(models.Model):
    """A tenant's customer at a provider's account; never two of them."""

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    provider = models.CharField(max_length=16)
    reference = models.CharField(max_length=100)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "provider"), name="provider_customer_one_per_tenant"
            ),
        )

    def __str__(self) -> str:
        return self.reference


class ProviderOperation(models.Model):
    """One call to a provider, written before it is made."""

    class State(models.TextChoices):
        INTENT = "intent"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        UNKNOWN = "unknown"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(
        Invoice, models.PROTECT, related_name="operations", null=True, blank=True
    )
    provider = models.CharField(max_length=16)
    name = models.CharField(max_length=40)
    subject = models.CharField(max_length=100)
    attempt = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State, default=State.INTENT)
    reference = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "name", "subject", "attempt"),
                name="provider_operation_attempt_once",
            ),
        )

    def __str__(self) -> str:
        return self.idempotency_key

    @property
    def idempotency_key(self) -> str:
        """Return the key that the provider sees for this attempt."""
        return f"{self.name}:{self.subject}:{self.attempt}"
