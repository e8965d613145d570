"""What plans cost, and who subscribes to which version: facts that never change.

A plan's limits (`tenants`) hold for all its tenants at once; what it costs is a
version, and a tenant keeps the one that it subscribed to. A published version, its
components and its discounts never change, by trigger.
"""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from metering.pricing.rating import CHARGED_CLASSES

MODEL_CHARS_MAX = 128
_currency = RegexValidator(r"^[A-Z]{3}$", "Use an ISO 4217 code such as USD.")
_zero_or_more = MinValueValidator(0)


def _models_field() -> "ArrayField[list[str], list[str]]":
    return ArrayField(
        models.CharField(max_length=MODEL_CHARS_MAX),
        default=list,
        blank=True,
        help_text="Served models by name; none means all.",
    )


class PlanVersion(models.Model):
    """What a plan costs those who subscribe to this version, in minor units."""

    plan = models.ForeignKey("tenants.Plan", models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100, help_text="What invoices call it.")
    currency = models.CharField(max_length=3, validators=[_currency])
    fee_minor = models.BigIntegerField(
        default=0, validators=[_zero_or_more], help_text="Of each whole period."
    )
    fee_in_advance = models.BooleanField(
        default=False,
        help_text="The fee is due at the close of the period before the one it pays.",
    )
    minimum_commitment_minor = models.BigIntegerField(
        default=0,
        validators=[_zero_or_more],
        help_text="What a whole period comes to at least, before tax and credit.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)

    audited: ClassVar = Audited("plan_version", tenant=None)

    class Meta:
        ordering = ("plan_id", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("plan", "number"), name="plan_version_number_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(fee_minor__gte=0, minimum_commitment_minor__gte=0),
                name="plan_version_amounts_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"

    @property
    def state(self) -> str:
        """Return whether it may still change."""
        return "published" if self.published_at else "draft"


class PlanComponent(models.Model):
    """A period component of a version, and the use that it counts."""

    class Meter(models.TextChoices):
        TOKENS = "tokens", "tokens, in place of their linear price"
        REQUESTS = "requests", "requests"
        CHARGE = "charge", "what linear prices charge"

    version = models.ForeignKey(PlanVersion, models.PROTECT, related_name="components")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    meter = models.CharField(max_length=8, choices=Meter)
    served_models = _models_field()
    token_classes = ArrayField(
        models.SmallIntegerField(
            choices=[(int(each), each.name.lower()) for each in CHARGED_CLASSES]
        ),
        default=list,
        blank=True,
        help_text="Of a meter of tokens.",
    )
    document = models.JSONField(
        help_text="The component, as `metering.pricing.components` reads it."
    )

    class Meta:
        ordering = ("version_id", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "position"), name="plan_component_position_unique"
            ),
            models.UniqueConstraint(
                fields=("version", "name"), name="plan_component_name_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(meter="tokens", token_classes__len__gt=0)
                | (~models.Q(meter="tokens") & models.Q(token_classes__len=0)),
                name="plan_component_of_tokens_has_classes",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.version}"


class PlanDiscount(models.Model):
    """What a version takes off, in the order of positions."""

    class Scope(models.TextChoices):
        USAGE = "usage", "what use costs"
        FEES = "fees", "the plan's fee"
        ALL = "all", "both"

    version = models.ForeignKey(PlanVersion, models.PROTECT, related_name="discounts")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=8, choices=Scope)
    served_models = _models_field()
    percent = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[_zero_or_more, MaxValueValidator(100)],
    )
    amount_minor = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[_zero_or_more],
        help_text="Of each whole period, in minor units.",
    )

    class Meta:
        ordering = ("version_id", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "position"), name="plan_discount_position_unique"
            ),
            models.UniqueConstraint(
                fields=("version", "name"), name="plan_discount_name_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    percent__gt=0, percent__lte=100, amount_minor__isnull=True
                )
                | models.Q(percent__isnull=True, amount_minor__gt=0),
                name="plan_discount_is_percent_or_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(scope="usage") | models.Q(served_models__len=0),
                name="plan_discount_models_of_usage",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.version}"


class Subscription(models.Model):
    """A tenant holds a plan version from a billing day on, up to another or for good.

    Only its end may still be agreed, once or moved earlier. `agreed_at` and
    `end_agreed_at` tell what was known when a fee was due in advance.
    """

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    version = models.ForeignKey(
        PlanVersion, models.PROTECT, related_name="subscriptions"
    )
    starts_on = models.DateField(help_text="The first billing day.")
    ends_on = models.DateField(
        null=True, blank=True, help_text="The first billing day without it."
    )
    agreed_at = models.DateTimeField(editable=False)
    end_agreed_at = models.DateTimeField(null=True, blank=True, editable=False)

    audited: ClassVar = Audited("subscription")

    class Meta:
        ordering = ("-starts_on", "-id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True, end_agreed_at__isnull=True)
                | models.Q(
                    ends_on__gte=models.F("starts_on"), end_agreed_at__isnull=False
                ),
                name="subscription_ends_after_it_starts",
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_id} to {self.version_id} from {self.starts_on}"
