"""What belongs to a tenant or a project, on its page: the newest of it."""

from kit.admin import ReadOnlyInline
from tenants.models import ApiKey, Project


class ProjectInline(ReadOnlyInline):
    """The projects of a tenant."""

    model = Project
    fields = ("slug", "name", "created_at", "archived_at")
    readonly_fields = fields
    ordering = ("-id",)


class KeyInline(ReadOnlyInline):
    """The keys of a tenant or a project."""

    model = ApiKey
    fields = ("name", "shown", "created_at", "expires_at", "revoked_at")
    readonly_fields = fields
    ordering = ("-id",)
