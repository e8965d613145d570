"""Operators' pages of replicas."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from inference.control import live, selectors, services
from inference.control.admin.replica_lists import (
    ActivateReplicas,
    DisableReplicas,
    DrainReplicas,
    running_on,
    said_of_models,
)
from inference.control.forms import ReplicaForm
from inference.control.models import WEIGHT_MAX, Replica
from inference.control.shares import share_of
from kit.admin import Confirmation, ServiceAdmin, confirmed_action, state_label
from kit.number_fields import WholeField

NOT_TOLD = "-"


class _TakenAway(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what runs there, and which model is left without a replica."""
        going = [selectors.replica(int(object_id))]
        return f"{running_on(going, now=timezone.now())} {said_of_models(going)}"


class _WeightForm(Confirmation):
    """Another weight, and what it would come to."""

    weight = WholeField(
        min_value=1,
        max_value=WEIGHT_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="For each slot; 100 is usual.",
    )

    def consequence(self, object_id: str) -> str:
        """Say what the replica is given now, and would be by half and by twice."""
        row = selectors.replica(int(object_id))
        others = list(selectors.replicas(model=row.model.name).exclude(pk=row.pk))
        tried = sorted({max(row.weight // 2, 1), min(row.weight * 2, WEIGHT_MAX)})
        said = ", ".join(
            f"{each}: {share_of(row, others, weight=each).percent}" for each in tried
        )
        now = share_of(row, others).percent
        return f"Of the requests of {row.model} by {row.weight}: {now}. By {said}."


@admin.register(Replica)
class ReplicaAdmin(ServiceAdmin):
    """Replicas: add, change, drain, disable, activate."""

    form = ReplicaForm
    list_display = (
        "name",
        "model",
        "status",
        "condition",
        "running",
        "filled",
        "rate",
        "first_token",
        "slots",
        "weight",
        "is_canary",
        "url",
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
    actions_detail = ("activate", "drain", "set_weight", "disable")
    actions_row = ("activate", "drain", "set_weight", "disable")
    bulk_actions = (DrainReplicas(), ActivateReplicas(), DisableReplicas())

    @state_label(
        ordering="state", active="success", draining="warning", disabled="danger"
    )
    def status(self, row: Replica) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="canary", ordering="canary")
    def is_canary(self, row: Replica) -> str:
        """Say it of the few that are one."""
        return "canary" if row.canary else NOT_TOLD

    def look_up(self, rows: Sequence[Any]) -> None:
        """Read what gateways say of the replicas of a page."""
        serving = live.now_serving(now=timezone.now())
        by_id = {each.id: each for each in serving.replicas}
        for row in rows:
            row.seen = by_id.get(row.pk)

    @display(  # type: ignore[untyped-decorator]
        description="now",
        label={
            "healthy": "success",
            "failing": "danger",
            "down": "danger",
            "draining": "warning",
        },
    )
    def condition(self, row: Any) -> str:
        """Show how gateways find it."""
        return row.seen.condition if row.seen else "unknown"

    @admin.display(description="running")
    def running(self, row: Any) -> str:
        """Show how many requests its engine has, and how many of them wait there."""
        if row.seen is None or not row.seen.seen_by:
            return NOT_TOLD
        waiting = f" ({row.seen.waiting:,} waiting)" if row.seen.waiting else ""
        return f"{row.seen.running:,}{waiting}"

    @admin.display(description="KV cache")
    def filled(self, row: Any) -> str:
        """Show how much of its cache is in use."""
        percent = row.seen.filled_percent if row.seen else None
        return NOT_TOLD if percent is None else f"{percent} %"

    @admin.display(description="output tokens/s")
    def rate(self, row: Any) -> str:
        """Show how fast it answered within the last minute."""
        return row.seen.traffic.output_tokens_per_s if row.seen else NOT_TOLD

    @admin.display(description="first token p95")
    def first_token(self, row: Any) -> str:
        """Show how soon first tokens came within the last minute."""
        late_us = row.seen.traffic.first_token_p95_us if row.seen else None
        return NOT_TOLD if late_us is None else f"{late_us // 1000:,} ms"

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
        label="Set weight",
        explanation="How much the replica is given beside the model's others. It holds"
        " on every gateway within a second.",
        icon="balance",
        form=_WeightForm,
    )
    def set_weight(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Give the replica more or less."""
        weight: int = form.cleaned_data["weight"]
        return self.act(
            request,
            object_id,
            lambda row: services.update_replica(replica=row, weight=weight),
            done=f"Weight {weight}.",
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
