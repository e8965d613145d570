"""Tenants, projects and members, named by their ids.

What is out of the caller's reach is refused as what does not exist.
"""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from kit.acting import current
from tenants.models import Member, Project, Tenant


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
