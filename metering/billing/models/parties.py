"""Who sells and who buys, as invoices say it."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from kit.orm.audited import Audited

ADDRESS_CHARS_MAX = 500


def _country() -> "models.CharField[str, str]":
    return models.CharField(
        max_length=2,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"^[A-Z]{2}$", "Use an ISO 3166 code such as DE.")],
    )


class Seller(models.Model):
    """Who issues invoices: its locked counter keeps their numbers gapless.

    What it says of itself is kept on each invoice as it was when that was issued.
    """

    name = models.CharField(max_length=200, unique=True)
    number_prefix = models.CharField(max_length=12, default="T-")
    last_number = models.BigIntegerField(default=0)
    address = models.TextField(
        max_length=ADDRESS_CHARS_MAX, blank=True, default="", db_default=""
    )
    country = _country()
    tax_id = models.CharField(max_length=40, blank=True, default="", db_default="")
    email = models.EmailField(blank=True, default="", db_default="")
    bank_details = models.TextField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="How to pay by transfer.",
    )
    footer = models.TextField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="Printed on each page.",
    )

    audited: ClassVar = Audited(
        "seller", tenant=None, by_people=True, personal=frozenset({"email"})
    )

    def __str__(self) -> str:
        return self.name


class BillingProfile(models.Model):
    """Who a tenant is to those who read its invoices; without one, just its name."""

    tenant = models.OneToOneField(
        "tenants.Tenant", models.PROTECT, primary_key=True, related_name="+"
    )
    legal_name = models.CharField(max_length=200, blank=True)
    address = models.TextField(max_length=ADDRESS_CHARS_MAX, blank=True)
    country = _country()
    region = models.CharField(
        max_length=20, blank=True, help_text="A state or province, where tax needs it."
    )
    tax_id = models.CharField(max_length=40, blank=True)
    po_number = models.CharField(
        "purchase order", max_length=60, blank=True, help_text="Printed on invoices."
    )

    audited: ClassVar = Audited(
        "billing_profile",
        personal=frozenset({"legal_name", "address", "tax_id"}),
    )

    def __str__(self) -> str:
        return self.legal_name or f"tenant {self.tenant_id}"
