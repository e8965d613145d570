"""Operators' pages of invitations: how the first owner of a tenant comes.

The link of an invitation stands in its mail and on none of these pages.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kit.admin import ServiceAdmin, confirmed_action, state_label
from tenants import services
from tenants.models import Invitation, Role


@admin.register(Invitation)
class InvitationAdmin(ServiceAdmin):
    """Invitations: invite, resend, revoke."""

    list_display = ("email", "tenant", "role", "status", "mail", "since", "expires_at")
    list_filter = (
        "role",
        ("accepted_at", admin.EmptyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
        ("sent_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("tenant",)
    search_fields = ("email", "tenant__slug", "tenant__name")
    search_help_text = "E-mail, tenant, id"
    empty_says = "Nobody was invited yet. A tenant's first owner is invited here."
    autocomplete_fields = ("tenant",)
    fields = (
        ("tenant", "email", "role"),
        ("invited_by", "project_ids"),
        ("created_at", "expires_at"),
        ("sent_at", "send_failures"),
        ("accepted_at", "revoked_at"),
    )
    actions_detail = ("resend", "revoke")

    @state_label(open="info", accepted="success", revoked="danger", expired="warning")
    def status(self, row: Invitation) -> str:
        """Show the state as a label."""
        return str(row.state_at(timezone.now()))

    @admin.display(description="mail")
    def mail(self, row: Invitation) -> str:
        """Show whether the mail with the present link has gone."""
        if row.sent_at is not None:
            return "sent"
        return f"failed {row.send_failures} times" if row.send_failures else "waiting"

    @admin.display(description="created", ordering="id")
    def since(self, row: Invitation) -> Any:
        """Show when it was made; ids are given in that order."""
        return row.created_at

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        """Read invitations with what names them."""
        rows: QuerySet[Invitation] = super().get_queryset(request)
        return rows.select_related("tenant", "invited_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new invitation needs; show all there is of one."""
        return self.fields if obj else self.fields[:1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let nothing of an invitation be changed: it is revoked and made anew."""
        if obj is None:
            return ()
        return tuple(name for line in self.fields for name in line)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str]:
        """Offer an owner's place: the others are for the owner to give."""
        return {"role": Role.OWNER, **super().get_changeform_initial_data(request)}

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Invitation:
        """Invite; the mail goes out after this."""
        return services.invite(now=timezone.now(), **values)

    @confirmed_action(
        label="Resend",
        explanation="Another link is sent, valid for seven days; the old one is dead.",
        icon="forward_to_inbox",
    )
    def resend(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Send another link."""
        return self.act(
            request,
            object_id,
            lambda row: services.resend_invitation(invitation=row, now=timezone.now()),
            done="Another link is on its way.",
        )

    @confirmed_action(
        label="Revoke",
        explanation="The link that was sent opens nothing any more.",
        icon="block",
        is_danger=True,
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Take the offer back."""
        return self.act(
            request,
            object_id,
            lambda row: services.revoke_invitation(invitation=row, now=timezone.now()),
            done="Revoked.",
        )
