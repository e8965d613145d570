"""What tax is charged where, from when until when, and how each tenant is treated.

A rate belongs to a place, so that a law that changes it is one new row and no tenant is
touched. Rows say what held when: of one only the end is ever written later, once.
"""

from decimal import Decimal
from typing import ClassVar

from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    ProhibitNullCharactersValidator,
    RegexValidator,
)
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kit.orm.audited import Audited

PERCENT_DECIMALS = 4
# A tax of more than all that is charged is a slip of the hand.
PERCENT_MAX = Decimal(100)
_country = RegexValidator(r"^[A-Z]{2}\Z", "Use an ISO 3166 code such as DE.")
_region = RegexValidator(
    r"^[A-Z0-9-]{1,8}\Z", "Use up to 8 upper-case letters and digits, such as QC."
)
_ENDS_LATER = Q(ends_at=None) | Q(ends_at__gt=F("starts_at"))


class TaxRate(models.Model):
    """A percentage that is added to what is sold to a country, or a region of it."""

    name = models.CharField(
        max_length=60,
        validators=[ProhibitNullCharactersValidator()],
        help_text="As it is printed, such as VAT.",
    )
    country = models.CharField(
        max_length=2, validators=[_country], help_text="ISO 3166, such as DE."
    )
    region = models.CharField(
        max_length=8,
        blank=True,
        validators=[_region],
        help_text="A part of the country, such as QC; empty for all of it.",
    )
    percent = models.DecimalField(
        max_digits=7,
        decimal_places=PERCENT_DECIMALS,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(PERCENT_MAX)],
        help_text="At most four decimals, such as 19 or 9.975.",
    )
    starts_at = models.DateTimeField(help_text="The first instant that it holds.")
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="When it ends; empty while that is open."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("tax_rate", tenant=None)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=_ENDS_LATER, name="tax_rate_has_length"),
            models.CheckConstraint(
                condition=Q(percent__gte=0) & Q(percent__lte=PERCENT_MAX),
                name="tax_rate_is_a_percentage",
            ),
        )

    def __str__(self) -> str:
        place = f"{self.country}-{self.region}" if self.region else self.country
        return f"{self.name} {percent_text(self.percent)} % {place}"


class TaxTreatment(models.Model):
    """How a tenant is taxed for some time: by the rates of a place, or not, and why."""

    class Kind(models.TextChoices):
        TAXED = "taxed", "taxed by the rates of its place"
        EXEMPT = "exempt"
        REVERSE_CHARGE = "reverse_charge", "reverse charge: the buyer accounts for it"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[_country],
        help_text="Whose rates are charged: ISO 3166, such as DE.",
    )
    region = models.CharField(
        max_length=8,
        blank=True,
        validators=[_region],
        help_text="The part of the country whose rates are added, such as QC.",
    )
    note = models.CharField(
        max_length=300,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Printed on the invoice: why no tax is charged.",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("tax_treatment")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=_ENDS_LATER, name="tax_treatment_has_length"
            ),
            models.CheckConstraint(
                condition=~Q(kind="taxed") | ~Q(country=""),
                name="tax_treatment_has_place",
                violation_error_message="Say in which country.",
            ),
            models.CheckConstraint(
                condition=Q(kind="taxed") | ~Q(note=""),
                name="tax_treatment_says_why_not",
                violation_error_message="Say why, as the invoice prints it.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.kind}"


def percent_text(percent: Decimal) -> str:
    """Show a percentage without trailing zeros, such as 19 or 9.975."""
    whole, _, places = f"{percent:.{PERCENT_DECIMALS}f}".partition(".")
    places = places.rstrip("0")
    return f"{whole}.{places}" if places else whole
