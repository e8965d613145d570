"""Operators' pages of replicas."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from inference.control import selectors, services
from inference.control.admin.replica_lists import (
    ActivateReplicas,
    DisableReplicas,
    DrainReplicas,
    said_of_models,
)
from inference.control.forms import ReplicaForm
from inference.control.models import Replica
from kit.admin import Confirmation, ServiceAdmin, confirmed_action, state_label


class _TakenAway(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say which model is left without a replica."""
        return said_of_models([selectors.replica(int(object_id))])


@admin.register(Replica)
class ReplicaAdmin(ServiceAdmin):
    """Replicas: add, change, drain, disable, activate."""

    form = ReplicaForm
    list_display = (
        "name",
        "model",
        "status",
        "slots",
        "weight",
        "canary",
        "url",
        "dialect",
        "created_at",
    )
    list_filter = ("state", "canary", "dialect")
    list_select_related = ("model",)
    search_fields = ("name", "url", "model__name", "upstream_model")
    search_help_text = "Name, URL, model, the engine's own name, id"
    empty_says = "A replica is one running engine; add one for each."
    autocomplete_fields = ("model",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("model", "name"),
                    ("url", "dialect"),
                    "upstream_model",
                    ("auth", "credential"),
                    "options",
                    ("state", "created_at"),
                )
            },
        ),
        ("Routing", {"fields": (("slots", "weight"), "canary")}),
    )
    readonly_fields = ("state", "created_at")
    fixed_fields = ("model", "name")
    actions_detail = ("activate", "drain", "disable")
    actions_row = ("activate", "drain", "disable")
    bulk_actions = (DrainReplicas(), ActivateReplicas(), DisableReplicas())

    @state_label(
        ordering="state", active="success", draining="warning", disabled="danger"
    )
    def status(self, row: Replica) -> str:
        """Show the state as a label."""
        return row.state

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Replica:
        """Add the replica."""
        return services.add_replica(**values)

    def update(self, row: Replica, changes: Mapping[str, Any]) -> Replica:
        """Change how the replica is reached, and what it is given."""
        return services.update_replica(replica=row, **changes)

    @confirmed_action(
        label="Activate",
        explanation="Requests are sent to this replica again.",
        icon="play_arrow",
    )
    def activate(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Activate the replica."""
        return self.act(
            request,
            object_id,
            lambda row: services.activate_replica(replica=row),
            done="Activated.",
        )

    @confirmed_action(
        label="Drain",
        explanation="No new request is sent to it; its running ones end as they will.",
        icon="hourglass_bottom",
        form=_TakenAway,
    )
    def drain(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Drain the replica."""
        return self.act(
            request,
            object_id,
            lambda row: services.drain_replica(replica=row),
            done="Draining.",
        )

    @confirmed_action(
        label="Disable",
        explanation="It leaves the gateways' sight. Drain it first to lose nothing.",
        icon="block",
        is_danger=True,
        form=_TakenAway,
    )
    def disable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Disable the replica."""
        return self.act(
            request,
            object_id,
            lambda row: services.disable_replica(replica=row),
            done="Disabled.",
        )
