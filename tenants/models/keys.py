"""API keys: who calls `/v1`, for which project, with which rights."""

import datetime as dt
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from kit.scopes import DATA_PLANE
from tenants.models.members import Member
from tenants.models.tenants import Priority, Project, Tenant


def data_plane_scopes() -> list[str]:
    """Return the scopes of a key that is not narrowed."""
    return sorted(DATA_PLANE)


class KeyState(models.TextChoices):
    """Whether a key opens the door, and if not, the first reason to put right."""

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"
    REVOKED = "revoked"
    # Of its project, and of its tenant.
    ARCHIVED = "archived"
    SUSPENDED = "suspended"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Reads of API keys."""

    def for_tenant(self, tenant: Tenant) -> "ApiKeyQuerySet":
        """Keep the keys of one tenant."""
        return self.filter(tenant=tenant)

    def active(self, now: dt.datetime) -> "ApiKeyQuerySet":
        """Keep the keys that still open the door."""
        return self.filter(revoked_at=None, disabled_at=None).exclude(
            expires_at__lte=now
        )

    def opening(self, now: dt.datetime) -> "ApiKeyQuerySet":
        """Keep the keys in state active: those that a gateway lets in."""
        return self.in_state(KeyState.ACTIVE, now)

    def in_state(self, state: KeyState, now: dt.datetime) -> "ApiKeyQuerySet":
        """Keep the keys in one state, as `ApiKey.state_at` says it."""
        reasons = {
            KeyState.REVOKED: models.Q(revoked_at__isnull=False),
            KeyState.ARCHIVED: models.Q(project__archived_at__isnull=False),
            KeyState.EXPIRED: models.Q(expires_at__lte=now),
            KeyState.DISABLED: models.Q(disabled_at__isnull=False),
            KeyState.SUSPENDED: models.Q(tenant__state=Tenant.State.SUSPENDED),
        }
        found = self
        for each, reason in reasons.items():
            if each is state:
                return found.filter(reason)
            found = found.exclude(reason)
        return found


class ApiKey(models.Model):
    """A secret that calls the API for one project; only its HMAC is kept.

    A key with a `member` is that person's and ends with the membership; one without is
    a service's.
    """

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="api_keys")
    project = models.ForeignKey(Project, models.PROTECT, related_name="api_keys")
    member = models.ForeignKey(
        Member, models.PROTECT, null=True, blank=True, related_name="api_keys"
    )
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    shown = models.CharField(max_length=16, editable=False)
    scopes = ArrayField(models.CharField(max_length=32), default=data_plane_scopes)
    # Empty: every model that the tenant may call, and every address.
    allowed_models = ArrayField(
        models.CharField(max_length=200), default=list, blank=True
    )
    allowed_networks = ArrayField(
        models.CharField(max_length=49), default=list, blank=True
    )
    priority = models.CharField(
        max_length=8,
        choices=Priority,
        default=Priority.DEFAULT,
        db_default=Priority.DEFAULT.value,
        help_text=(
            "The best class that its requests may ask for; never more than the plan"
            " allows."
        ),
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )

    objects = ApiKeyQuerySet.as_manager()
    audited: ClassVar = Audited("api_key", hidden=frozenset({"digest"}))

    class Meta:
        ordering = ("-id",)
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"

    def state_at(self, now: dt.datetime) -> KeyState:
        """Return its state at an instant, what is for good before what may pass."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.project.archived_at is not None:
            return KeyState.ARCHIVED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        if self.disabled_at is not None:
            return KeyState.DISABLED
        if self.tenant.state == Tenant.State.SUSPENDED:
            return KeyState.SUSPENDED
        return KeyState.ACTIVE

    @property
    def last_use(self) -> "KeyUse | None":
        """Return its last use; None where there was none."""
        return getattr(self, "use", None)


class KeyUse(models.Model):
    """When a key was last used, and for which model; kept up in batches.

    Apart from the key, so that use changes no key: neither what gateways are told of it
    nor the version that an edit is held against. No constraints to either row: whoever
    rolls usage up would wait for whoever changes a key, with billing days locked.
    """

    api_key = models.OneToOneField(
        ApiKey,
        models.PROTECT,
        primary_key=True,
        related_name="use",
        db_constraint=False,
    )
    tenant = models.ForeignKey(
        Tenant, models.PROTECT, related_name="+", db_constraint=False
    )
    last_used_at = models.DateTimeField()
    model = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.api_key_id}: {self.last_used_at}"
