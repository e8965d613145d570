"""How much of each budget is used in each of its windows, and who may use the rest.

Nothing here is ever reset: a window is a row of its own, found by arithmetic. What a
window is limited to is not stored but resolved from the limits' own rows at each grant
(the SQL function `budgets_limit`). `posted` moves with the usage events alone, by a
trigger on their table; leases are written by the gateways' statements.
"""

from django.db import models
from django.db.models.functions import Now

from kit.orm.fields import PicosField
from metering.usage.models import Epoch


class Window(models.Model):
    """One window of what one place of budgets and quotas counts.

    Amounts are picos or tokens, as `kind` and `unit` say. All limits of the place, hard
    and soft, whoever set them, count here. The window of what is for ever is all time.
    """

    class Kind(models.TextChoices):
        BUDGET = "budget"
        QUOTA = "quota"
        CREDIT = "credit"

    tenant_id = models.BigIntegerField()
    level = models.CharField(max_length=8)
    holder_id = models.BigIntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    unit = models.CharField(max_length=24, blank=True)
    window = models.CharField(max_length=8)
    model = models.CharField(max_length=200, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    posted = PicosField(default=0)
    # When those who hold leases of it were last asked to give back what is idle.
    recalled_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=(
                    "tenant_id",
                    "level",
                    "holder_id",
                    "kind",
                    "unit",
                    "window",
                    "model",
                    "starts_at",
                ),
                name="budget_window_once",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="budget_window_has_length",
            ),
        )
        indexes = (
            # How a usage event finds the windows that it counts in.
            models.Index(
                fields=("tenant_id", "level", "holder_id", "ends_at"),
                name="budget_window_of_holder",
            ),
            models.Index(fields=("ends_at",), name="budget_window_by_end"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.level} {self.holder_id} ({self.window})"


class Lease(models.Model):
    """The slice of a window that one gateway process may use, and has not used up.

    `used` is what its open requests have used of it so far, as of the last heartbeat.
    """

    pk = models.CompositePrimaryKey("window_id", "epoch_id")
    window = models.ForeignKey(Window, models.CASCADE, related_name="leases")
    epoch = models.ForeignKey(Epoch, models.CASCADE, related_name="+")
    tenant_id = models.BigIntegerField()
    amount = PicosField(default=0)
    used = PicosField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(amount__gte=0) & models.Q(used__gte=0),
                name="budget_lease_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount} of window {self.window_id}"
