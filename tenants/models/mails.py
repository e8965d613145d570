"""Mail as it went, and the addresses that a tenant wants its bills sent to."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from tenants.models.tenants import Tenant


class Mail(models.Model):
    """One mail: what it told of, to whom, and whether it went. Operators see it.

    What it said is no part of it: it is composed anew from what it told of. A mail that
    was sent again has the next `number`; the first is 0. `addresses` are those that it
    went to, each by one of its own, and `refused` those that it did not reach.
    """

    class Kind(models.TextChoices):
        INVITATION = "invitation"
        ADDRESS = "address", "confirm a billing address"
        ALERT = "alert"
        INVOICE = "invoice", "invoice issued"
        PAYMENT = "payment", "payment received"
        UNCOLLECTED = "uncollected", "payment failed"
        DUNNING = "dunning", "unpaid invoice"

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"
        NO_READER = "no_reader", "nobody to send it to"

    tenant = models.ForeignKey(
        Tenant, models.PROTECT, null=True, db_index=False, related_name="+"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    subject_id = models.BigIntegerField(help_text="The row that it tells of.")
    number = models.PositiveIntegerField(default=0, db_default=0)
    title = models.CharField(max_length=300, blank=True, default="")
    addresses = ArrayField(models.EmailField(), default=list, blank=True)
    refused = ArrayField(
        models.EmailField(), default=list, db_default=[], blank=True, editable=False
    )
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=100, blank=True, default="")
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited(
        "mail", by_people=True, hidden=frozenset({"addresses", "refused", "due_at"})
    )

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "subject_id", "number"), name="mail_once"
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",),
                condition=models.Q(state="waiting"),
                name="mail_to_send",
            ),
            models.Index(fields=("tenant", "-id"), name="mail_of_tenant"),
        )

    def __str__(self) -> str:
        return self.title or f"{self.kind} {self.subject_id}"


class BillingAddress(models.Model):
    """An address that a tenant's bills go to, once whoever has it said so.

    `asked` counts the mails that asked for that: each has another link. One that
    declined is removed as well, and is not asked again. One that was forgotten leaves a
    keyed `digest` for as long as that holds: it names nobody, and knows the address.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        CONFIRMED = "confirmed"
        DECLINED = "declined"
        REMOVED = "removed"

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    email = models.EmailField(blank=True)
    digest = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    asked = models.PositiveSmallIntegerField(default=1, db_default=1)
    asked_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, editable=False)
    removed_at = models.DateTimeField(null=True, editable=False)
    declined_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited(
        "billing_address",
        personal=frozenset({"email"}),
        hidden=frozenset({"digest"}),
    )

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "email"),
                condition=models.Q(removed_at=None) & ~models.Q(email=""),
                name="billing_address_once",
            ),
        )
        indexes = (
            models.Index(
                fields=("asked_at",),
                condition=models.Q(confirmed_at=None, removed_at=None),
                name="billing_address_to_confirm",
            ),
        )

    def __str__(self) -> str:
        return self.email or f"billing address {self.pk}"

    @property
    def state(self) -> State:
        """Return whether bills go there, or why they do not."""
        if self.declined_at is not None:
            return self.State.DECLINED
        if self.removed_at is not None:
            return self.State.REMOVED
        return self.State.WAITING if self.confirmed_at is None else self.State.CONFIRMED
