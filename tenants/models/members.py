"""People of a tenant: members with a role, the projects they are in, invitations.

Names and addresses stand here and in the account, and nowhere else: whoever is
forgotten is forgotten by clearing them.
"""

import datetime as dt
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from tenants.models.tenants import Project, Tenant

_PERSONAL = frozenset({"email", "name"})


class Role(models.TextChoices):
    """What a member may do; `tenants.roles` says it in scopes."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"


class Member(models.Model):
    """A person's place in one tenant; the account may have places in others."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="memberships"
    )
    email = models.EmailField(blank=True)
    name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=16, choices=Role)
    mails_off = ArrayField(
        models.CharField(max_length=32),
        default=list,
        db_default=[],
        blank=True,
        editable=False,
        help_text="What the member chose to get no mails of.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    audited: ClassVar = Audited("member", personal=_PERSONAL)

    class Meta:
        ordering = ("tenant_id", "email")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "user"),
                condition=models.Q(removed_at=None),
                name="member_once_in_tenant",
            ),
        )

    def __str__(self) -> str:
        return self.email or f"member {self.pk}"


class ProjectMember(models.Model):
    """A member in a project; developers see the projects that they are in."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, models.PROTECT, related_name="places")
    member = models.ForeignKey(Member, models.PROTECT, related_name="places")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("project_member")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("project", "member"), name="project_member_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.member_id} in {self.project_id}"


class Invitation(models.Model):
    """A place offered to an address; its link stands in the mail and nowhere else.

    `tenants.invitation_links` makes the link of the nonce; the digest finds the row.
    """

    class State(models.TextChoices):
        OPEN = "open"
        ACCEPTED = "accepted"
        REVOKED = "revoked"
        EXPIRED = "expired"

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="invitations")
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=16, choices=Role)
    project_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    nonce = models.CharField(max_length=32, db_default="", editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        Member, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Of the mail with the present link: when it went, how often it failed to, and when
    # it is tried again.
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    send_failures = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False
    )
    send_after = models.DateTimeField(null=True, blank=True, editable=False)

    audited: ClassVar = Audited(
        "invitation",
        personal=frozenset({"email"}),
        hidden=frozenset({"nonce", "digest", "sent_at", "send_failures", "send_after"}),
    )

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "email"),
                condition=models.Q(accepted_at=None, revoked_at=None)
                & ~models.Q(email=""),
                name="invitation_one_open_per_address",
            ),
        )

    def __str__(self) -> str:
        return f"invitation {self.pk}"

    def state_at(self, now: dt.datetime) -> State:
        """Tell what its link opens at an instant."""
        if self.accepted_at is not None:
            return self.State.ACCEPTED
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.EXPIRED if self.expires_at <= now else self.State.OPEN
