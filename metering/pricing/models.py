"""What a token costs: price books, their immutable published versions, linear prices.

A version's discounts and a tenant's contract are resolved to prices before they are in
force, so whatever reads a price knows of neither.

A price belongs to a served model by its public name. It holds one whole number of picos
per token class; a served model without a price in force cannot be called.
"""

from typing import ClassVar

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from kit.errors import Conflict
from kit.orm.audited import Audited
from metering.pricing.contract_models import Contract, ContractPrice, percent_field

__all__ = [
    "DISCOUNTS",
    "Contract",
    "ContractPrice",
    "Price",
    "PriceBook",
    "PriceBookAssignment",
    "PriceBookVersion",
]

# Of a version: what fills in prices that are not quoted.
DISCOUNTS = (
    "cached_input_discount_percent",
    "batch_discount_percent",
    "answer_cache_discount_percent",
)
_currency = RegexValidator(r"^[A-Z]{3}$", "Use an ISO 4217 code such as USD.")


class PriceBook(models.Model):
    """A list of prices in one currency; one default book per currency."""

    name = models.CharField(max_length=100, unique=True)
    currency = models.CharField(max_length=3, validators=[_currency])
    is_default = models.BooleanField(
        default=False,
        help_text="Applies to tenants of this currency without a book of their own.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    derived_for = models.OneToOneField(
        "pricing.Contract",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="book",
        help_text="The contract whose prices it holds; no other book is derived.",
    )

    audited: ClassVar = Audited("price_book", tenant=None)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("currency",),
                condition=models.Q(is_default=True),
                name="price_book_one_default_per_currency",
            ),
            models.CheckConstraint(
                condition=models.Q(derived_for=None) | models.Q(is_default=False),
                name="price_book_of_contract_is_no_default",
            ),
        )

    def __str__(self) -> str:
        return self.name


class PriceBookVersion(models.Model):
    """The prices of a book from an instant on; immutable once published.

    A corrective one is never published and no call is priced by it: it holds what usage
    is rated anew by, and is immutable from the start.
    """

    book = models.ForeignKey(PriceBook, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    effective_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_corrective = models.BooleanField(default=False, db_default=False, editable=False)
    cached_input_discount_percent = percent_field(
        null=True,
        blank=True,
        help_text="Off the input price, where no cached one is quoted.",
    )
    batch_discount_percent = percent_field(
        null=True, blank=True, help_text="Makes the prices of <model>@batch."
    )
    answer_cache_discount_percent = percent_field(
        null=True, blank=True, help_text="Makes the prices of <model>@cache."
    )
    derived_from = models.ForeignKey(
        "self", models.PROTECT, null=True, editable=False, related_name="derived"
    )

    audited: ClassVar = Audited("price_book_version", tenant=None)

    class Meta:
        ordering = ("book_id", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("book", "number"), name="price_book_version_number_unique"
            ),
            models.UniqueConstraint(
                fields=("book", "effective_at"),
                condition=models.Q(published_at__isnull=False),
                name="price_book_version_effective_once",
            ),
            models.CheckConstraint(
                condition=models.Q(is_corrective=False)
                | models.Q(published_at__isnull=True),
                name="corrective_version_is_never_in_force",
            ),
            *(
                models.CheckConstraint(
                    condition=models.Q(**{f"{name}__isnull": True})
                    | models.Q(**{f"{name}__range": (0, 100)}),
                    name=f"version_{name}_is_a_share",
                )
                for name in DISCOUNTS
            ),
        )

    def __str__(self) -> str:
        return f"{self.book} v{self.number}"

    @property
    def state(self) -> str:
        """Return whether it may still change, and whether it is ever in force."""
        if self.is_corrective:
            return "corrective"
        return "published" if self.published_at else "draft"

    def require_draft(self) -> None:
        """Raise `Conflict` when it cannot be changed any more."""
        if self.state != "draft":
            raise Conflict(f"{self} is {self.state} and cannot be changed any more.")


class Price(models.Model):
    """One served model's linear price in a version, in picos per token."""

    version = models.ForeignKey(PriceBookVersion, models.PROTECT, related_name="prices")
    model = models.CharField(
        max_length=128, help_text="The served model's public name."
    )
    input_picos = models.BigIntegerField(validators=[MinValueValidator(0)])
    cached_input_picos = models.BigIntegerField(validators=[MinValueValidator(0)])
    output_picos = models.BigIntegerField(validators=[MinValueValidator(0)])
    # What follows from the version's discounts, and is made anew while it is a draft.
    cached_follows = models.BooleanField(default=False, db_default=False)
    follows = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ("version_id", "model")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "model"), name="price_one_per_version_and_model"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    input_picos__gte=0, cached_input_picos__gte=0, output_picos__gte=0
                ),
                name="price_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} in {self.version}"


class PriceBookAssignment(models.Model):
    """A span for which a tenant pays by a book that is not its currency's default.

    Half-open; one without an end holds until another is assigned. Those of a tenant
    never overlap: the database's constraint `pricing_pricebookassignment_apart`.
    """

    # The constraint's index begins with the tenant.
    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, db_index=False)
    book = models.ForeignKey(PriceBook, models.PROTECT, related_name="assignments")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    audited: ClassVar = Audited("price_book_assignment")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True)
                | models.Q(ends_at__gt=models.F("starts_at")),
                name="price_book_assignment_has_length",
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} pays by {self.book_id}"
