"""Tenants, projects and members, named by their ids, and tenants by their slugs.

What is out of the caller's reach is refused as what does not exist.
"""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.acting import current
from kit.errors import NotFound
from tenants.models import Member, Project, Tenant
from tenants.selectors import tenant as tenant_by_id
from tenants.selectors import tenant_by_slug

_ID_DIGITS_MAX = 18


class TenantReference(serializers.PrimaryKeyRelatedField[Tenant]):
    """A tenant by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no tenant {pk_value}."
    }


class ProjectReference(serializers.PrimaryKeyRelatedField[Project]):
    """A project by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no project {pk_value}."
    }

    def get_queryset(self) -> QuerySet[Project] | None:
        """Return the projects that the caller is kept to."""
        rows = super().get_queryset()
        projects = current().project_ids
        if rows is None or projects is None:
            return rows
        return rows.filter(pk__in=projects)


class MemberReference(serializers.PrimaryKeyRelatedField[Member]):
    """A member, still one, by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no member {pk_value}."
    }

    def get_queryset(self) -> QuerySet[Member] | None:
        """Leave out who was removed."""
        rows = super().get_queryset()
        return None if rows is None else rows.filter(removed_at=None)


@extend_schema_field(OpenApiTypes.STR)
class TenantField(serializers.Field[Tenant, str, str, Any]):
    """A tenant by its slug, or else by its id: a slug of digits is still a slug."""

    def to_internal_value(self, data: str) -> Tenant:
        """Return the tenant."""
        # PostgreSQL has no text with a NUL in it, and says so as an error.
        data = data.replace("\0", "\N{REPLACEMENT CHARACTER}")
        try:
            return tenant_by_slug(data)
        except NotFound as missing:
            refusal = serializers.ValidationError(missing.message, code="not_found")
        if data.isascii() and data.isdigit() and len(data) <= _ID_DIGITS_MAX:
            try:
                return tenant_by_id(int(data))
            except NotFound:
                pass
        raise refusal
