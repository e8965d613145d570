"""Double entry: accounts, transactions that sum to zero, what was posted per day.

Entries are append-only. A positive amount debits the account, a negative one credits
it. Balances are projections of the entries.
"""

from django.db import models
from django.db.models.functions import Now

from kit.contracts import TokenClass
from kit.orm.fields import PicosField


class Account(models.Model):
    """A place where money is counted, per tenant and currency."""

    class Kind(models.TextChoices):
        ACCRUED = "accrued", "accrued (used, not yet invoiced)"
        RECEIVABLE = "receivable"
        REVENUE = "revenue"
        ROUNDING = "rounding"
        CASH = "cash"

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
