"""What a tenant can pay with, as the provider has it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from kit.orm.audited import Audited


class PaymentMethod(models.Model):
    """A payment method at an account: enough to recognise it, and no more.

    It is a copy, read anew whenever the provider tells that something changed.
    """

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    account = models.CharField(max_length=40)
    reference = models.CharField(max_length=100)
    kind = models.CharField(max_length=40, help_text="Such as card or sepa_debit.")
    brand = models.CharField(max_length=100, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    exp_month = models.PositiveSmallIntegerField(null=True, blank=True)
    exp_year = models.PositiveSmallIntegerField(null=True, blank=True)
    is_default = models.BooleanField(default=False)
    read_at = models.DateTimeField()

    audited: ClassVar = Audited("payment_method", hidden=frozenset({"read_at"}))

    class Meta:
        ordering = ("-is_default", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "reference"), name="payment_method_once"
            ),
            models.UniqueConstraint(
                fields=("tenant", "account"),
                condition=Q(is_default=True),
                name="payment_method_one_default",
            ),
        )

    def __str__(self) -> str:
        return f"{self.brand or self.kind} {self.last4}".strip()
