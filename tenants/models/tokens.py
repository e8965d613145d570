"""Management tokens: who calls `/api/v1`, an operator's program or a tenant's."""

import datetime as dt
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from tenants.models.members import Member
from tenants.models.tenants import Tenant


class TokenState(models.TextChoices):
    """Whether a token opens the management API."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class TokenKind(models.TextChoices):
    """Whose a token is."""

    OPERATOR = "operator"
    SERVICE = "service"
    PERSONAL = "personal"


class ManagementToken(models.Model):
    """A secret that calls the management API; only its HMAC is kept.

    Without a tenant it is an operator's. With a member it is that person's: it may
    never do more than the member's role, and ends with the membership.
    """

    tenant = models.ForeignKey(
        Tenant, models.PROTECT, null=True, blank=True, related_name="tokens"
    )
    member = models.ForeignKey(
        Member, models.PROTECT, null=True, blank=True, related_name="tokens"
    )
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    shown = models.CharField(max_length=16, editable=False)
    scopes = ArrayField(models.CharField(max_length=32))
    allowed_networks = ArrayField(
        models.CharField(max_length=49), default=list, blank=True
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    # To the minute: it is written by use, and use is frequent.
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    audited: ClassVar = Audited(
        "management_token", hidden=frozenset({"digest", "last_used_at"})
    )

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(member=None) | ~models.Q(tenant=None),
                name="token_of_a_member_has_a_tenant",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"

    @property
    def kind(self) -> TokenKind:
        """Tell whose it is."""
        if self.tenant_id is None:
            return TokenKind.OPERATOR
        return TokenKind.SERVICE if self.member_id is None else TokenKind.PERSONAL

    def state_at(self, now: dt.datetime) -> TokenState:
        """Return its state at an instant."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return TokenState.EXPIRED
        return TokenState.ACTIVE
