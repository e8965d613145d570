"""Contracts: what a tenant pays that differs from a price book, and for how long.

A contract is a draft until it is signed, and never changes then, but that it may end
earlier; a draft that ends is discarded. Signing resolves it to prices of a derived
book: see `deriving`.
"""

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited

_QUOTES = ("input_picos", "cached_input_picos", "output_picos")
_NO_QUOTE = models.Q(**{f"{name}__isnull": True for name in _QUOTES})
_ALL_QUOTES = models.Q(**{f"{name}__isnull": False for name in _QUOTES})


def percent_field(**kwargs: Any) -> "models.DecimalField[Any, Any]":
    """Make a field for a percentage from 0 to 100, of at most four places."""
    bounds = [MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))]
    return models.DecimalField(
        max_digits=7, decimal_places=4, validators=bounds, **kwargs
    )


class Contract(models.Model):
    """A tenant's own prices for a span of time, off those of a base book.

    Half-open; one without an end holds until it is ended. `discount_percent` is taken
    off every price of the base book that no row of the contract names.
    """

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT)
    name = models.CharField(max_length=80)
    base = models.ForeignKey(
        "pricing.PriceBook", models.PROTECT, related_name="contracts"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    discount_percent = percent_field(default=Decimal(0))
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    signed_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(
        null=True, editable=False, help_text="From when on it holds no more."
    )

    audited: ClassVar = Audited("contract")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True)
                | models.Q(ends_at__gt=models.F("starts_at")),
                name="contract_has_length",
            ),
            models.CheckConstraint(
                condition=models.Q(discount_percent__range=(0, 100)),
                name="contract_discount_is_a_share",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def until(self) -> dt.datetime | None:
        """Return when it ends: as agreed, or earlier."""
        return self.ended_at or self.ends_at

    @property
    def state(self) -> str:
        """Return whether it may still change, and whether it was ended."""
        if self.ended_at is not None:
            return "ended"
        return "signed" if self.signed_at else "draft"


class ContractPrice(models.Model):
    """What a contract says of one served model: prices, or a percentage off."""

    contract = models.ForeignKey(Contract, models.CASCADE, related_name="prices")
    model = models.CharField(
        max_length=128, help_text="The served model's public name."
    )
    input_picos = models.BigIntegerField(null=True)
    cached_input_picos = models.BigIntegerField(null=True)
    output_picos = models.BigIntegerField(null=True)
    discount_percent = percent_field(null=True)

    class Meta:
        ordering = ("contract_id", "model")
        constraints = (
            models.UniqueConstraint(
                fields=("contract", "model"), name="contract_price_one_per_model"
            ),
            models.CheckConstraint(
                condition=(_ALL_QUOTES & models.Q(discount_percent__isnull=True))
                | (_NO_QUOTE & models.Q(discount_percent__range=(0, 100))),
                name="contract_price_is_quoted_or_reduced",
            ),
            models.CheckConstraint(
                condition=_NO_QUOTE
                | models.Q(
                    input_picos__gte=0, cached_input_picos__gte=0, output_picos__gte=0
                ),
                name="contract_price_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} in {self.contract_id}"
