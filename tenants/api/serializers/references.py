"""Tenants and projects, named by their ids."""

from typing import Any, ClassVar

from rest_framework import serializers

from tenants.models import Project, Tenant


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
