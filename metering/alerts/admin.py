"""Operators' pages of alerts: webhook endpoints, crossings, deliveries.

A secret is shown once, in the answer to what made it. What a receiver wrote back is
kept nowhere, so it stands on no page; to whom a mail went is said by the member alone.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from kit.admin import Confirmation, ReadOnlyAdmin, confirmed_action, state_label
from kit.money import format_picos
from metering.alerts import services
from metering.alerts.models import CHOSEN_EVENTS, Crossing, Delivery, Endpoint
from tenants.admin.issuing import IssuingAdmin


class _EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    """An endpoint, with the events to choose among."""

    events = forms.MultipleChoiceField(
        choices=[(each.value, each.value) for each in CHOSEN_EVENTS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text="None for all.",
    )


class _RemoveForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say how much still waits for the endpoint."""
        waiting = Delivery.objects.filter(
            endpoint_id=int(object_id), state=Delivery.State.WAITING
        ).count()
        return f"{waiting:,} deliveries wait for it and will be dropped."


@admin.register(Endpoint)
class EndpointAdmin(IssuingAdmin):
    """Webhook endpoints, of tenants and of the installation."""

    noun = "webhook secret"
    form = _EndpointForm
    list_display = (
        "name",
        "whose",
        "url",
        "status",
        "failing_since",
        "last_succeeded_at",
    )
    list_filter = (
        ("tenant", admin.EmptyFieldListFilter),
        ("paused_at", admin.EmptyFieldListFilter),
        ("failing_since", admin.EmptyFieldListFilter),
        ("removed_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("tenant",)
    search_fields = ("name", "tenant__slug")
    search_help_text = "Name, tenant, id"
    empty_says = "Programs are told of budgets by webhooks; tenants add their own."
    autocomplete_fields = ("tenant",)
    fields = ("tenant", "name", "url", "events")
    fixed_fields = ("tenant",)
    actions_detail = ("rotate", "test", "pause", "resume", "remove")
    _told = (
        "created_at",
        "failing_since",
        "last_succeeded_at",
        "paused_at",
        "paused_because",
        "former_until",
        "removed_at",
    )

    @admin.display(description="tenant", ordering="tenant")
    def whose(self, row: Endpoint) -> str:
        """Show whose events it gets."""
        return str(row.tenant or "all tenants")

    @state_label(active="success", failing="warning", paused="danger", removed="info")
    def status(self, row: Endpoint) -> str:
        """Show the state as a label."""
        return row.state

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new endpoint needs; show how it goes with one."""
        if obj is None:
            return self.fields
        return (
            ("tenant", "name"),
            "url",
            "events",
            ("created_at", "last_succeeded_at", "failing_since"),
            ("paused_at", "paused_because"),
            ("former_until", "removed_at"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave what may change of an endpoint that is not removed."""
        if obj is None:
            return ()
        changing = ("name", "url", "events")
        return ("tenant", *self._told, *(changing if obj.removed_at else ()))

    def holder_of(self, row: Endpoint) -> str:
        """Say whose an endpoint is."""
        return str(row.tenant or "this installation")

    def consequence_of(self, row: Endpoint) -> str:
        """Say when its secret was last good for something."""
        if row.last_succeeded_at is None:
            return "Nothing was delivered to it yet."
        return f"Last delivered to {row.last_succeeded_at:%Y-%m-%d %H:%M} UTC."

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Endpoint:
        """Make the endpoint and hand its secret to the answer of this request."""
        issued = services.create_endpoint(
            tenant=values["tenant"],
            name=values["name"],
            url=values["url"],
            events=values["events"],
        )
        request.issued_text = issued.secret  # type: ignore[attr-defined]
        return issued.row

    def update(self, row: Endpoint, changes: Mapping[str, Any]) -> Endpoint:
        """Rename it, move it, choose other events."""
        return services.update_endpoint(endpoint=row, **changes)

    def rotated(self, row: Endpoint, *, overlap: dt.timedelta) -> tuple[str, Endpoint]:
        """Give it another secret."""
        issued = services.rotate_secret(
            endpoint=row, now=timezone.now(), overlap=overlap
        )
        return issued.secret, issued.row

    @action(  # type: ignore[untyped-decorator]
        description="Rotate", icon="autorenew", permissions=["change"]
    )
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the endpoint another secret."""
        return self.rotate_page(request, object_id)

    @confirmed_action(
        label="Test", explanation="It is called with a test event.", icon="send"
    )
    def test(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Send a test."""

        def send(row: Endpoint) -> Endpoint:
            services.send_test(endpoint=row, now=timezone.now())
            return row

        return self.act(request, object_id, send, done="A test is on its way.")

    @confirmed_action(
        label="Pause",
        explanation="It is sent nothing until it is resumed.",
        icon="pause",
    )
    def pause(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Pause the endpoint."""
        return self.act(
            request,
            object_id,
            lambda row: services.pause_endpoint(endpoint=row, now=timezone.now()),
            done="Paused.",
        )

    @confirmed_action(
        label="Resume", explanation="It is called again.", icon="play_arrow"
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Resume the endpoint."""
        return self.act(
            request,
            object_id,
            lambda row: services.resume_endpoint(endpoint=row),
            done="Resumed.",
        )

    @confirmed_action(
        label="Remove",
        explanation="It is never called again, and its secret is forgotten.",
        icon="delete",
        is_danger=True,
        form=_RemoveForm,
    )
    def remove(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Remove the endpoint."""
        return self.act(
            request,
            object_id,
            lambda row: services.remove_endpoint(endpoint=row, now=timezone.now()),
            done="Removed.",
        )


@admin.register(Crossing)
class CrossingAdmin(ReadOnlyAdmin):
    """Shares of limits that were used up, and whether they still are."""

    list_display = (
        "crossed_at",
        "tenant",
        "holder",
        "share",
        "hard",
        "used_of",
        "status",
    )
    list_filter = (
        "kind",
        "is_hard",
        ("cleared_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug",)
    search_help_text = "Tenant, id"
    empty_says = "No budget or quota has come to a share that it warns at."
    fields = (
        ("tenant", "holder", "kind"),
        ("share", "hard", "used_of"),
        ("crossed_at", "was_told", "cleared_at"),
    )
    readonly_fields = ("holder", "hard", "used_of")
    ordering = ("-id",)

    @admin.display(description="of")
    def holder(self, row: Crossing) -> str:
        """Show whose limit it is."""
        if row.level == "tenant":
            return "tenant"
        return f"{row.level.replace('_', ' ')} {row.holder_id}"

    @admin.display(description="limit")
    def hard(self, row: Crossing) -> str:
        """Show what becomes of calls beyond it."""
        return "stops" if row.is_hard else "warns"

    @admin.display(description="used")
    def used_of(self, row: Crossing) -> str:
        """Show what was used then, and of how much."""
        if row.kind == "quota":
            return f"{row.used:,} of {row.limit_amount:,} tokens"
        shown = f"{format_picos(row.used)} of {format_picos(row.limit_amount)}"
        return f"{shown} {row.tenant.currency}"

    @state_label(stands="warning", cleared="success")
    def status(self, row: Crossing) -> str:
        """Show whether it still stands."""
        return "stands" if row.cleared_at is None else "cleared"


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Every event on its way to a reader, with what became of the last attempt."""

    list_display = (
        "created_at",
        "type",
        "channel",
        "reader",
        "status",
        "attempts",
        "last_error",
        "next_at",
    )
    list_filter = ("channel", "state")
    list_select_related = ("event", "endpoint", "tenant")
    search_fields = ("tenant__slug", "endpoint__name")
    search_help_text = "Tenant, endpoint, id"
    empty_says = "Nothing was told yet."
    fields = (
        ("type", "channel", "reader"),
        ("status", "attempts"),
        ("last_status", "last_error"),
        ("created_at", "last_tried_at"),
        ("next_at", "ended_at"),
        "said",
    )
    readonly_fields = ("type", "reader", "status", "said")
    ordering = ("-id",)

    @admin.display(description="event")
    def type(self, row: Delivery) -> str:
        """Show what is told."""
        return row.event.type

    @admin.display(description="to")
    def reader(self, row: Delivery) -> str:
        """Show to whom, without the address."""
        if row.endpoint is not None:
            return row.endpoint.name
        if row.member_id is not None:
            return f"member {row.member_id} of {row.tenant}"
        return f"billing address of {row.tenant}"

    @state_label(
        ordering="state",
        waiting="info",
        delivered="success",
        given_up="danger",
        dropped="warning",
    )
    def status(self, row: Delivery) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="what is said")
    def said(self, row: Delivery) -> SafeString:
        """Show the event's data, as webhooks are sent it."""
        return format_html("<pre>{}</pre>", json.dumps(row.event.data, indent=2))
