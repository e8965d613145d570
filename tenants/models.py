"""Who may call: a tenant pays, its projects divide the use, API keys name the caller.

Rows are never deleted: a tenant is suspended, a project archived, a key revoked, so
that every usage event keeps its names.
"""

import datetime as dt
import zoneinfo

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

_slug = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z",
    "Use 1 to 63 lower-case letters, digits and hyphens.",
)
_currency = RegexValidator(r"^[A-Z]{3}$", "Use an ISO 4217 code such as USD.")


# Zones that mean something else on each host, or no place at all.
_NO_PLACE = frozenset({"Factory", "localtime"})


def _known_zone(value: str) -> None:
    if value in _NO_PLACE or value not in zoneinfo.available_timezones():
        raise ValidationError(f"'{value}' is not a time zone such as Europe/Berlin.")


class Tenant(models.Model):
    """A customer or department: the unit of isolation, of billing and of limits."""

    class State(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    slug = models.CharField(max_length=63, unique=True, validators=[_slug])
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    currency = models.CharField(max_length=3, default="USD", validators=[_currency])
    zone = models.CharField(max_length=64, default="UTC", validators=[_known_zone])
    billing_email = models.EmailField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug


class Project(models.Model):
    """A part of a tenant's use, with keys of its own."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="projects")
    slug = models.CharField(max_length=63, validators=[_slug])
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("tenant_id", "slug")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "slug"), name="project_slug_unique_in_tenant"
            ),
        )

    def __str__(self) -> str:
        return self.slug


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Reads of API keys."""

    def for_tenant(self, tenant: Tenant) -> "ApiKeyQuerySet":
        """Keep the keys of one tenant."""
        return self.filter(tenant=tenant)

    def active(self, now: dt.datetime) -> "ApiKeyQuerySet":
        """Keep the keys that still open the door."""
        return self.filter(revoked_at=None).exclude(expires_at__lte=now)


class ApiKey(models.Model):
    """A secret that calls the API for one project; only its HMAC is kept."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="api_keys")
    project = models.ForeignKey(Project, models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    shown = models.CharField(max_length=16, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"
