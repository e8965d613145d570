"""Operators' pages of mail: what went to whom, what did not, and sending it again.

What a mail said is not kept: sent again, it is composed anew of what it tells of.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kit.admin import ReadOnlyAdmin, confirmed_action, state_label
from tenants.mails.sending import send_again
from tenants.models import Mail


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """Mails, the latest first."""

    list_display = ("title_said", "tenant", "kind", "readers", "status", "sent_at")
    list_filter = ("state", "kind")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    search_help_text = "Tenant, id"
    empty_says = "No mail has gone yet. Without a mail server none does."
    fields = (
        ("tenant", "kind"),
        ("title_said", "status"),
        ("readers", "not_reached", "problem"),
        ("attempts", "number"),
        ("created_at", "due_at", "sent_at"),
    )
    readonly_fields = ("title_said", "readers", "not_reached", "status")
    ordering = ("-id",)
    actions_detail = ("again",)

    @admin.display(description="subject")
    def title_said(self, row: Mail) -> str:
        """Show what stood in its subject, or what it tells of while it waits."""
        return str(row)

    @admin.display(description="to")
    def readers(self, row: Mail) -> str:
        """Show where it went."""
        return ", ".join(row.addresses) or "-"

    @admin.display(description="not reached")
    def not_reached(self, row: Mail) -> str:
        """Show whom the mail server refused, or was not reached for."""
        return ", ".join(row.refused) or "-"

    @state_label(
        ordering="state",
        waiting="info",
        sent="success",
        failed="danger",
        no_reader="warning",
    )
    def status(self, row: Mail) -> str:
        """Show the state as a label."""
        return row.state

    def has_again_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those send again who may change mails."""
        return request.user.has_perm("tenants.change_mail")

    @confirmed_action(
        label="Send again",
        explanation="It is composed anew, and goes to whoever reads such mail now.",
        icon="forward_to_inbox",
        permission="again",
    )
    def again(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the mail go once more."""
        return self.act(
            request,
            object_id,
            lambda row: send_again(mail=row, now=timezone.now()),
            done="It goes within a minute.",
        )
