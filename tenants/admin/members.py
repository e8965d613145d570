"""Operators' pages of members: who is in which tenant, as what."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kit.admin import (
    Confirmation,
    ReadOnlyInline,
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from tenants import selectors, services
from tenants.models import ApiKey, ManagementToken, Member, ProjectMember


class _RemoveForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count what ends with the membership."""
        held = selectors.holdings(selectors.member(int(object_id)), now=timezone.now())
        return (
            f"Revoked for good: {held.keys} API keys, {held.tokens} management tokens,"
            f" {held.invitations} open invitations."
        )


class _PlaceInline(ReadOnlyInline):
    """The projects that a member is in."""

    model = ProjectMember
    verbose_name_plural = "projects"
    fields = ("project", "created_at")
    readonly_fields = fields
    ordering = ("-id",)
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read each with its project, which names it."""
        return super().get_queryset(request).select_related("project")


class _KeyInline(ReadOnlyInline):
    """A member's own API keys."""

    model = ApiKey
    verbose_name_plural = "API keys"
    fields = ("name", "shown", "created_at", "expires_at", "revoked_at")
    readonly_fields = fields
    ordering = ("-id",)


class _TokenInline(ReadOnlyInline):
    """A member's own management tokens."""

    model = ManagementToken
    fields = ("name", "shown", "created_at", "expires_at", "revoked_at")
    readonly_fields = fields
    ordering = ("-id",)


@admin.register(Member)
class MemberAdmin(ServiceAdmin):
    """Members: change the role, remove. They come by invitation alone."""

    list_display = ("person", "name", "tenant", "role", "status", "since")
    list_display_links = ("person",)
    list_filter = ("role", ("removed_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("email", "name", "tenant__slug", "tenant__name")
    search_help_text = "E-mail, name, tenant, id"
    empty_says = "Members come by invitation: invite an owner for a tenant."
    fields = (
        ("tenant", "role"),
        ("email", "name"),
        ("created_at", "removed_at"),
    )
    readonly_fields = ("tenant", "email", "name", "created_at", "removed_at")
    inlines = (_PlaceInline, _KeyInline, _TokenInline)
    actions_detail = ("remove",)

    @admin.display(description="e-mail", ordering="email")
    def person(self, row: Member) -> str:
        """Show the address, or what is left of one who was forgotten."""
        return str(row)

    @state_label(present="success", removed="danger")
    def status(self, row: Member) -> str:
        """Show the state as a label."""
        return "present" if row.removed_at is None else "removed"

    @admin.display(description="since", ordering="id")
    def since(self, row: Member) -> Any:
        """Show when the place was taken; ids are given in that order."""
        return row.created_at

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: nobody is a member who did not accept."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave what a removed member was as it is."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, "role") if obj is not None and obj.removed_at else fields

    def update(self, row: Member, changes: Mapping[str, Any]) -> Member:
        """Change the role; what it does not cover is revoked."""
        return services.update_member(member=row, now=timezone.now(), **changes)

    @confirmed_action(
        label="Remove",
        explanation="The person leaves the tenant; own keys and tokens end with it.",
        icon="person_remove",
        is_danger=True,
        form=_RemoveForm,
    )
    def remove(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Remove the member."""
        return self.act(
            request,
            object_id,
            lambda row: services.remove_member(member=row, now=timezone.now()),
            done="Removed.",
        )
