"""Double entry: accounts, transactions that sum to zero, what was posted per day.

Entries are append-only. A positive amount debits the account, a negative one credits
it. Balances are projections of the entries. Credit grants are append-only but for what
burns and ends them.
"""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
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

# Where Django finds it.
from metering.ledger.lock_models import LockedMonth  # noqa: F401
from metering.ledger.month_models import MonthTotal  # noqa: F401

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
        TAX = "tax", "tax (owed to the authority)"
        DEFERRED = "deferred_revenue", "deferred revenue (charged in advance)"
        BAD_DEBT = "bad_debt", "bad debt (written off)"

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
        BURN = "burn", "credit burned"
        FEE = "fee"
        TAX = "tax"
        CREDIT_NOTE = "credit_note"
        REFUND = "refund"
        WRITE_OFF = "write_off"

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
    """What of a rolled-up day is in the ledger: a revision posts the difference.

    `id` counts up as postings of a tenant are committed, so that all up to one can be
    named by it (`hold_books` keeps that order). It tells nothing across tenants.
    """

    pk = models.CompositePrimaryKey(
        "tenant_id", "date", "price_id", "token_class", "revision"
    )
    id = models.BigIntegerField(
        db_default=models.Func(
            models.Value("ledger_dayposting_id_seq"), function="nextval"
        ),
        editable=False,
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
    booked_on = models.DateField(
        null=True, help_text="Where its own month was locked: when it was booked."
    )

    class Meta:
        indexes = (
            models.Index(fields=("tenant_id", "id"), name="day_posting_in_order"),
            models.Index(
                fields=("booked_on",),
                condition=Q(booked_on__isnull=False),
                name="day_posting_booked_late",
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.date} r{self.revision}"


class Movement(models.Model):
    """What a month moved on an account by one kind of transaction: entries, summed.

    The month is that of the tenant's billing day that a transaction is booked on. A
    trigger adds parts as entries are written, and a task merges them, so that the sum
    of all rows is that of all entries at any moment.
    """

    tenant_id = models.BigIntegerField()
    month = models.DateField(help_text="Its first day.")
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=16, choices=Transaction.Kind)
    debited_picos = PicosField()
    credited_picos = PicosField()
    is_part = models.BooleanField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "account", "kind", "month"),
                condition=Q(is_part=False),
                name="movement_merged_once",
            ),
        )
        indexes = (
            models.Index(fields=("month",), name="movement_by_month"),
            models.Index(
                fields=("id",), condition=Q(is_part=True), name="movement_to_merge"
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.month:%Y-%m} {self.kind}"


class PostedUse(models.Model):
    """What of a month's use is in the books by price and token class, as `Movement`."""

    tenant_id = models.BigIntegerField()
    month = models.DateField(help_text="Its first day.")
    price_id = models.BigIntegerField()
    token_class = models.SmallIntegerField(
        choices=[(member.value, member.name.lower()) for member in TokenClass]
    )
    quantity = models.BigIntegerField()
    charge_picos = PicosField()
    is_part = models.BooleanField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "price_id", "token_class", "month"),
                condition=Q(is_part=False),
                name="posted_use_merged_once",
            ),
        )
        indexes = (
            models.Index(fields=("month",), name="posted_use_by_month"),
            models.Index(
                fields=("id",), condition=Q(is_part=True), name="posted_use_to_merge"
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.month:%Y-%m} price {self.price_id}"


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
    use has taken of it when that was last settled, `booked_picos` what of that the
    ledger was told; what is left when it expires is `expired_picos`. A refund or a
    charge back is reversed, burned or not. With `for_models` it pays for their use and
    for no other.
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
    for_models = ArrayField(
        models.CharField(max_length=200),
        blank=True,
        default=list,
        db_default=[],
        help_text="The served models that it pays for; none for all.",
    )
    burned_picos = PicosField(default=0, editable=False)
    booked_picos = PicosField(db_default=0, default=0, editable=False)
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
            models.CheckConstraint(
                condition=Q(booked_picos__gte=0)
                & Q(amount_picos__gte=F("booked_picos")),
                name="credit_grant_books_its_own",
            ),
        )
        indexes = (
            models.Index(
                fields=("expires_at",),
                condition=Q(expired_at=None, expires_at__isnull=False),
                name="credit_grant_to_expire",
            ),
            models.Index(
                fields=("tenant_id",),
                condition=~Q(burned_picos=F("booked_picos")),
                name="credit_grant_to_book",
            ),
        )

    def __str__(self) -> str:
        return f"{self.source} {self.reference}"


class CreditBurn(models.Model):
    """What use took of a grant, as the ledger was told: a charge back gives some back.

    Those of a grant sum to its `booked_picos`.
    """

    tenant_id = models.BigIntegerField()
    grant = models.ForeignKey(CreditGrant, models.PROTECT, related_name="burns")
    transaction = models.ForeignKey(
        Transaction, models.PROTECT, related_name="credit_burns"
    )
    amount_picos = PicosField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=~Q(amount_picos=0), name="credit_burn_moves_something"
            ),
        )
        indexes = (models.Index(fields=("tenant_id", "id"), name="credit_burn_order"),)

    def __str__(self) -> str:
        return f"{self.amount_picos} of grant {self.grant_id}"


class CreditDraw(models.Model):
    """What of a grant's burns one invoice shows as paid, for a model or for all.

    A negative one charges again what was charged back. Those of a grant never come to
    more than its burns once an invoice has taken in what was charged back.
    """

    tenant_id = models.BigIntegerField()
    grant = models.ForeignKey(CreditGrant, models.PROTECT, related_name="draws")
    source = models.CharField(max_length=200)
    model = models.CharField(max_length=200, blank=True)
    amount_picos = PicosField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "source", "grant", "model"),
                name="credit_draw_once",
            ),
            models.CheckConstraint(
                condition=~Q(amount_picos=0), name="credit_draw_moves_something"
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount_picos} of grant {self.grant_id} for {self.source}"


from metering.ledger.request_models import GrantRequest  # noqa: E402, F401
