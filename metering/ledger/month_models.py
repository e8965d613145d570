"""What months moved of all tenants together, so that books of any age are read at once.

A trigger keeps the totals as rows of `Movement` are merged: totals, and the parts that
are not merged yet, are all that moved.
"""

from django.db import models

from kit.orm.fields import PicosField


class MonthTotal(models.Model):
    """What one kind of transaction moved on one kind of account, of all tenants."""

    month = models.DateField(help_text="Its first day.")
    account_kind = models.CharField(max_length=24)
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=16)
    debited_picos = PicosField()
    credited_picos = PicosField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("month", "account_kind", "currency", "kind"),
                name="month_total_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.account_kind} {self.kind}"
