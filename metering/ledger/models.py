"""Double entry: accounts, transactions that sum to zero, what was posted per day.

Entries are append-only. A positive amount debits the account, a negative one credits
it. Balances are projections of the entries. Credit grants are append-only but for what
burns and ends them.
"""

from typing import ClassVar

from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    ProhibitNullCharactersValidator,
)
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kit.contracts import TokenClass
from kit.orm.audited import Audited
from kit.orm.fields import PicosField

PRIORITY = 100
PRIORITY_MAX = 1000


class Account(models.Model):
    """A place where money is counted, per tenant and currency."""

    class Kind(models.TextChoices):
        ACCRUED = "accrued", "accrued (used, not yet invoiced)"
        RECEIVABLE = "receivable"
        REVENUE = "revenue"
        ROUNDING = "rounding"
        CASH = "cash"
        WALLET = "wallet", "wallet (credit not yet burned)"
        PROMOTIONAL = "promotional_credit", "promotional credit (not yet burned)"
        DISCOUNTS = "discounts"
        BREAKAGE = "breakage", "breakage (paid for and expired)"

    tenant_id = models.BigIntegerField()
    kind = models.CharField(max_length=24, choices=Kind)
    currency = models.CharField(max_length=3)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "kind", "currency"), name="account_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.kind} {self.currency}"


class Transaction(models.Model):
    """One posting; its source and kind make it unrepeatable."""

    class Kind(models.TextChoices):
        USAGE = "usage"
        INVOICE = "invoice"
        PAYMENT = "payment"
        CREDIT = "credit", "credit granted"
        EXPIRY = "credit_expiry", "credit expired"
        REVERSAL = "credit_reversal", "credit reversed"

    tenant_id = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    source = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    posted_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "kind", "source"), name="transaction_source_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.source}"


class Entry(models.Model):
    """One side of a transaction: picos debited (positive) or credited (negative)."""

    tenant_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries")
    amount_picos = PicosField()

    class Meta:
        verbose_name_plural = "entries"
        indexes = (models.Index(fields=("tenant_id",), name="ledger_entry_by_tenant"),)

    def __str__(self) -> str:
        return f"{self.amount_picos} on {self.account_id}"


class DayPosting(models.Model):
    """What of a rolled-up day is in the ledger: a revision posts the difference."""

    pk = models.CompositePrimaryKey(
        "tenant_id", "date", "price_id", "token_class", "revision"
    )
    tenant_id = models.BigIntegerField()
    date = models.DateField()
    price_id = models.BigIntegerField()
    token_class = models.SmallIntegerField(
        choices=[(member.value, member.name.lower()) for member in TokenClass]
    )
    revision = models.PositiveIntegerField()
    quantity = models.BigIntegerField()
    charge_picos = PicosField()
    transaction = models.ForeignKey(
        Transaction, models.PROTECT, related_name="day_postings"
    )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.date} r{self.revision}"


class CreditAccount(models.Model):
    """How far a tenant's use is paid from credit; one that never had any has no row.

    `base_picos` is what it used without paying from credit, as a postpaid tenant does.
    While it is one, `paused_at_picos` says from which use on the base grows. Both are
    places on the count of all that it ever used: the `posted` of its credit's window.
    """

    tenant_id = models.BigIntegerField(primary_key=True)
    base_picos = PicosField(default=0)
    paused_at_picos = PicosField(null=True)

    def __str__(self) -> str:
        return f"credit of {self.tenant_id}"


class CreditGrant(models.Model):
    """An amount that a tenant may use before it pays anything else.

    Grants burn in one order: priority, expiry (none last), age. `burned_picos` is what
    use has taken of it when that was last settled; what is left when it expires is
    `expired_picos`. A refund or a charge back is reversed, burned or not.
    """

    class Source(models.TextChoices):
        TOP_UP = "top_up", "top-up (paid for)"
        PROMOTIONAL = "promotional"
        ADJUSTMENT = "adjustment"

    class Reversal(models.TextChoices):
        NONE = "", "not reversed"
        REFUND = "refund"
        CHARGE_BACK = "charge_back"
        MISTAKE = "mistake"

    tenant_id = models.BigIntegerField()
    source = models.CharField(max_length=16, choices=Source)
    amount_picos = PicosField(validators=[MinValueValidator(1)])
    currency = models.CharField(max_length=3)
    priority = models.PositiveSmallIntegerField(
        default=PRIORITY,
        validators=[MaxValueValidator(PRIORITY_MAX)],
        help_text="The lowest burns first.",
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="When what is left is gone; empty for never."
    )
    reference = models.CharField(
        max_length=200,
        validators=[ProhibitNullCharactersValidator()],
        help_text="What it is for, such as a payment: granted once under one.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    burned_picos = PicosField(default=0, editable=False)
    expired_picos = PicosField(default=0, editable=False)
    expired_at = models.DateTimeField(null=True, editable=False)
    reversed_picos = PicosField(default=0, editable=False)
    reversal = models.CharField(
        max_length=16,
        choices=Reversal,
        blank=True,
        default=Reversal.NONE,
        editable=False,
    )

    audited: ClassVar = Audited("credit_grant")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "reference"), name="credit_grant_once"
            ),
            models.CheckConstraint(
                condition=Q(amount_picos__gt=0)
                & Q(burned_picos__gte=0)
                & Q(expired_picos__gte=0)
                & Q(reversed_picos__gte=0)
                & Q(
                    amount_picos__gte=F("burned_picos")
                    + F("expired_picos")
                    + F("reversed_picos")
                ),
                name="credit_grant_has_parts",
            ),
        )
        indexes = (
            models.Index(
                fields=("expires_at",),
                condition=Q(expired_at=None, expires_at__isnull=False),
                name="credit_grant_to_expire",
            ),
        )

    def __str__(self) -> str:
        return f"{self.source} {self.reference}"
