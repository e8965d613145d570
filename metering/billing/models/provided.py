"""What was asked of billing providers, and who a tenant is there."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from metering.billing.accounts import DEFAULT
from metering.billing.models.invoices import Invoice


class ProviderCustomer(models.Model):
    """A tenant's customer at a provider's account; never two of them."""

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    provider = models.CharField(max_length=16)
    account = models.CharField(max_length=40, default=DEFAULT, db_default=DEFAULT)
    reference = models.CharField(max_length=100)
    said_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The hash of what was last said of the tenant there.",
    )
    default_method = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="What it pays with unless told otherwise, as last read.",
    )

    tax_id_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The hash of the tax id that was last said there.",
    )
    tax_id_reference = models.CharField(
        max_length=100, blank=True, default="", db_default=""
    )
    tax_id_problem = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="Why its tax id is not known there.",
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "provider", "account"),
                name="provider_customer_one_per_account",
            ),
        )

    def __str__(self) -> str:
        return self.reference


class ProviderOperation(models.Model):
    """One call to a provider, written before it is made."""

    class State(models.TextChoices):
        INTENT = "intent"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        UNKNOWN = "unknown"
        PARKED = "parked"
        DROPPED = "dropped"

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="+")
    invoice = models.ForeignKey(
        Invoice, models.PROTECT, related_name="operations", null=True, blank=True
    )
    provider = models.CharField(max_length=16)
    account = models.CharField(max_length=40, default=DEFAULT, db_default=DEFAULT)
    name = models.CharField(max_length=40)
    subject = models.CharField(max_length=100)
    attempt = models.PositiveIntegerField()
    refusals = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="How often it was refused since a person last let it go on.",
    )
    state = models.CharField(max_length=12, choices=State, default=State.INTENT)
    reference = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)

    audited: ClassVar = Audited("provider_call", by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "account", "name", "subject", "attempt"),
                name="provider_operation_attempt_once_in_account",
            ),
        )
        indexes = (
            models.Index(
                fields=("created_at",),
                condition=~models.Q(state="succeeded"),
                name="provider_operation_undone",
            ),
        )

    def __str__(self) -> str:
        return self.idempotency_key

    @property
    def idempotency_key(self) -> str:
        """Return the key that the provider sees for this attempt."""
        return f"{self.name}:{self.subject}:{self.attempt}"


class CallPace(models.Model):
    """When the next call may be made: to an account, and to one of its endpoints.

    The account itself is the row with no endpoint.
    """

    account = models.CharField(max_length=40)
    endpoint = models.CharField(max_length=100, blank=True)
    free_at_us = models.BigIntegerField(
        help_text="Microseconds since 1970, by the database's clock."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("account", "endpoint"), name="call_pace_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.account} {self.endpoint}".strip()
