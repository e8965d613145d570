"""Operators' pages of what meters are told of use, and what they are not.

The product tells. A person has a parked event told anew once its cause is mended; that
is audited.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.timesince import timesince

from kit.admin import (
    BulkAction,
    Consequences,
    ReadOnlyAdmin,
    confirmed_action,
    state_label,
)
from metering.collection.meters import deciding
from metering.collection.meters.backlog import backlog
from metering.collection.models import MeterDifference, MeterEvent, MeterProgress

State = MeterEvent.State


class TellAnew(BulkAction):
    """Have the chosen events told anew."""

    name = "tell_anew"
    label = "Tell anew"
    explanation = "What they say, and no meter has, is told within the hour."
    done = "Told anew within the hour."
    permission = "decide"

    def consequences(
        self, rows: Sequence[MeterEvent], *, now: dt.datetime
    ) -> Consequences:
        """Count whose use is told again."""
        tenants = {row.tenant_id for row in rows}
        return Consequences(lines=(f"Tenants whose use is told: {len(tenants):,}.",))

    def is_done(self, row: MeterEvent) -> bool:
        """Leave those that are not parked."""
        return row.state != State.PARKED

    def do(self, row: MeterEvent, *, now: dt.datetime) -> MeterEvent:
        """Have one told anew."""
        return deciding.tell_anew(event=row, now=now)


@admin.register(MeterEvent)
class MeterEventAdmin(ReadOnlyAdmin):
    """What meters are told, and what became of each event."""

    list_display = (
        "hour",
        "tenant",
        "counted",
        "quantity",
        "status",
        "problem",
        "account",
        "told_at",
    )
    list_filter = ("state", "counted", "account")
    list_select_related = ("tenant",)
    list_before_template = "collection/meter_backlog.html"
    search_fields = ("tenant__slug", "identifier")
    search_help_text = "Tenant, identifier, id"
    empty_says = "Use is told to meters once STRIPE_METER_EVENTS is set."
    fields = (
        ("hour", "counted"),
        ("tenant", "account"),
        ("quantity", "seq"),
        ("event_name", "identifier"),
        ("state", "attempt", "refusals"),
        "problem",
        ("noted_at", "try_at"),
        ("sent_at", "told_at"),
    )
    ordering = ("-id",)
    bulk_actions = (TellAnew(),)
    actions_detail = ("tell_anew",)

    @state_label(
        ordering="state",
        waiting="info",
        told="success",
        cancelling="info",
        cancelled="info",
        parked="danger",
        dropped="info",
    )
    def status(self, row: MeterEvent) -> str:
        """Show the state as a label."""
        return row.state

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the list, with what is not told above it."""
        found = backlog()
        more: dict[str, Any] = {
            "backlog": found,
            "backlog_age": "",
            "progress": MeterProgress.objects.exclude(problem="").order_by("account"),
        }
        if found.oldest_at is not None:
            more["backlog_age"] = timesince(found.oldest_at, timezone.now())
        context = {**(kwargs.pop("extra_context", None) or {}), **more}
        return super().changelist_view(request, *args, extra_context=context, **kwargs)

    def has_decide_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those decide who may change events."""
        return request.user.has_perm("collection.change_meterevent")

    @confirmed_action(
        label="Tell anew",
        explanation="Mend first what it was parked for. It is told within the hour.",
        icon="play_arrow",
        permission="decide",
    )
    def tell_anew(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Have the event told anew."""
        return self.act(
            request,
            object_id,
            lambda row: deciding.tell_anew(event=row, now=timezone.now()),
            done="Told anew within the hour.",
        )


@admin.register(MeterDifference)
class MeterDifferenceAdmin(ReadOnlyAdmin):
    """Hours of which more was told than was used, for good."""

    list_display = ("hour", "tenant", "counted", "told", "used", "account", "since")
    list_filter = ("counted", "account")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug",)
    search_help_text = "Tenant, id"
    empty_says = "Meters were told of no more than was used."


@admin.register(MeterProgress)
class MeterProgressAdmin(ReadOnlyAdmin):
    """From when on each account is told of use, and how far that has come."""

    list_display = ("account", "told_from", "noted_to", "problem")
    search_fields = ("account",)
    search_help_text = "Account, id"
    empty_says = "Use is told to meters once STRIPE_METER_EVENTS is set."
