"""Management tokens: who calls `/api/v1`, an operator's program or a tenant's."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from tenants.models.members import Member
from tenants.models.tenants import Tenant


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
