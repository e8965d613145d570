"""Operators' pages of the inbox: what was told, what became of it, and what must wait.

The product sees events through. A person drives a parked one anew once its cause is
mended, or dismisses it; both are audited.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.timesince import timesince

from kit.admin import (
    BulkAction,
    Confirmation,
    Consequences,
    ReadOnlyAdmin,
    confirmed_action,
    state_label,
)
from metering.inbox import selectors, services
from metering.inbox.models import Progress, WebhookEvent

State = WebhookEvent.State


class DriveAnew(BulkAction):
    """Try the chosen events again."""

    name = "drive_anew"
    label = "Drive anew"
    explanation = "They are tried again at once, with all their patience."
    done = "Driven anew."
    permission = "drive"

    def consequences(self, rows: Sequence[WebhookEvent], *, now: Any) -> Consequences:
        """Count the objects that are read again."""
        objects = {(row.account, row.object_id) for row in rows}
        return Consequences(lines=(f"Objects that are read again: {len(objects):,}.",))

    def is_done(self, row: WebhookEvent) -> bool:
        """Leave those that are not parked."""
        return row.state != State.PARKED

    def do(self, row: WebhookEvent, *, now: Any) -> WebhookEvent:
        """Try one again."""
        return services.redrive(event=row, now=now)


class _DismissForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what is left undone."""
        return "What it tells of is not acted on, unless another event tells of it."


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """Events of providers, and what became of each."""

    list_display = (
        "received_at",
        "type",
        "object_id",
        "status",
        "account",
        "source",
        "attempts",
        "problem",
        "next_at",
    )
    list_filter = ("state", "account", "source")
    list_before_template = "inbox/backlog.html"
    search_fields = ("event_id", "object_id")
    search_help_text = "Event, object, id"
    empty_says = "No billing provider has told us anything yet."
    fields = (
        ("type", "status"),
        ("account", "source"),
        ("event_id", "object_id"),
        ("attempts", "api_version"),
        "problem",
        ("occurred_at", "received_at"),
        ("next_at", "finished_at"),
    )
    readonly_fields = ("status",)
    ordering = ("-id",)
    bulk_actions = (DriveAnew(),)
    actions_detail = ("drive_anew", "dismiss")

    @state_label(
        ordering="state",
        waiting="info",
        done="success",
        ignored="info",
        parked="danger",
    )
    def status(self, row: WebhookEvent) -> str:
        """Show the state as a label."""
        return row.state

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the list, with what is not seen through above it."""
        found = selectors.backlog()
        more = {"backlog": found, "backlog_age": ""}
        if found.oldest_at is not None:
            more["backlog_age"] = timesince(found.oldest_at, timezone.now())
        context = {**(kwargs.pop("extra_context", None) or {}), **more}
        return super().changelist_view(request, *args, extra_context=context, **kwargs)

    def has_drive_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those do it who may change events."""
        return request.user.has_perm("inbox.change_webhookevent")

    @confirmed_action(
        label="Drive anew",
        explanation="Mend what it was parked for first. It is tried again at once.",
        icon="play_arrow",
        permission="drive",
    )
    def drive_anew(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Try the event again."""
        return self.act(
            request,
            object_id,
            lambda row: services.redrive(event=row, now=timezone.now()),
            done="Driven anew.",
        )

    @confirmed_action(
        label="Dismiss",
        explanation="It is nothing to us.",
        icon="block",
        permission="drive",
        form=_DismissForm,
    )
    def dismiss(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the event be nothing to us."""
        return self.act(
            request,
            object_id,
            lambda row: services.dismiss(event=row, now=timezone.now()),
            done="Dismissed.",
        )


@admin.register(Progress)
class ProgressAdmin(ReadOnlyAdmin):
    """Up to where each account's events were listed, beside those it sent."""

    list_display = ("account", "listed_to", "listed_at", "problem")
    search_fields = ("account",)
    search_help_text = "Account, id"
    empty_says = "Events are listed each hour, once an account is set."
