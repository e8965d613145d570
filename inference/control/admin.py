"""Operators' pages of served models, their aliases and replicas."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from inference.control import services
from inference.control.calibration import services as calibration
from inference.control.calibration.telling import told
from inference.control.forms import ModelForm, ReplicaForm
from inference.control.models import ModelAlias, Replica, ServedModel
from kit.admin import ReadOnlyInline, ServiceAdmin, confirmed_action, state_label

# The front page of the admin says how the installation stands.
admin.site.index_template = "control/front_page.html"
admin.site.index_title = "Overview"


class _ReplicaInline(ReadOnlyInline):
    model = Replica
    fields = ("name", "url", "dialect", "state")
    readonly_fields = fields


@admin.register(ServedModel)
class ServedModelAdmin(ServiceAdmin):
    """Served models: create, change, enable, disable."""

    form = ModelForm
    list_display = (
        "name",
        "status",
        "context_tokens",
        "max_output_tokens",
        "created_at",
    )
    list_filter = ("enabled",)
    search_fields = ("name", "description")
    search_help_text = "Name, description, id"
    empty_says = "Add the model under the name that callers will use; then a replica."
    fields = (
        "name",
        "description",
        ("context_tokens", "max_output_tokens"),
        "tokenizer",
        ("tasks", "modalities"),
        ("base", "adapter"),
        "defaults",
        ("choices_max", "allows_tools"),
        "cache_s",
        ("enabled", "created_at"),
        "prompt_bound",
    )
    autocomplete_fields = ("base",)
    readonly_fields = ("enabled", "created_at", "prompt_bound")
    fixed_fields = ("name",)
    inlines = (_ReplicaInline,)
    actions_detail = ("enable", "disable", "recalibrate")

    @state_label(ordering="enabled", enabled="success", disabled="danger")
    def status(self, row: ServedModel) -> str:
        """Show the state as a label."""
        return "enabled" if row.enabled else "disabled"

    @admin.display(description="prompt bound")
    def prompt_bound(self, row: ServedModel) -> str:
        """Say how the bound of a prompt's tokens was found, and what it is."""
        return told(row)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> ServedModel:
        """Create the served model."""
        return services.create_model(**values)

    def update(self, row: ServedModel, changes: Mapping[str, Any]) -> ServedModel:
        """Change the served model."""
        return services.update_model(model=row, **changes)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show the replicas once there is a model."""
        return self.inlines if obj else ()

    @confirmed_action(
        label="Enable",
        explanation="Callers see the model and may call it, once it has a price.",
        icon="play_arrow",
    )
    def enable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Enable the model."""
        return self.act(
            request,
            object_id,
            lambda row: services.enable_model(model=row),
            done="Enabled.",
        )

    @confirmed_action(
        label="Disable",
        explanation="New calls are told that there is no such model.",
        icon="pause",
        is_danger=True,
    )
    def disable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Disable the model."""
        return self.act(
            request,
            object_id,
            lambda row: services.disable_model(model=row),
            done="Disabled.",
        )

    @confirmed_action(
        label="Recalibrate",
        explanation=(
            "A worker asks the engines anew how many tokens prompts are. Until then the"
            " bound that is known stays in force."
        ),
        icon="straighten",
    )
    def recalibrate(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Have the engines asked anew."""
        return self.act(
            request,
            object_id,
            lambda row: calibration.recalibrate(model=row),
            done="To be calibrated. What came of it is shown here within a minute.",
        )


@admin.register(ModelAlias)
class ModelAliasAdmin(ServiceAdmin):
    """Aliases: create, point elsewhere, enable, disable."""

    list_display = ("name", "model", "status", "created_at")
    list_filter = ("enabled",)
    list_select_related = ("model",)
    search_fields = ("name", "model__name")
    search_help_text = "Name, model, id"
    empty_says = "An alias is another name by which callers find a model."
    autocomplete_fields = ("model",)
    fields = ("name", "model", ("enabled", "created_at"))
    readonly_fields = ("enabled", "created_at")
    fixed_fields = ("name",)
    actions_detail = ("enable", "disable")
    actions_row = ("enable", "disable")

    @state_label(ordering="enabled", enabled="success", disabled="danger")
    def status(self, row: ModelAlias) -> str:
        """Show the state as a label."""
        return "enabled" if row.enabled else "disabled"

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> ModelAlias:
        """Create the alias."""
        return services.create_alias(**values)

    def update(self, row: ModelAlias, changes: Mapping[str, Any]) -> ModelAlias:
        """Point the alias elsewhere."""
        return services.repoint_alias(alias=row, **changes)

    @confirmed_action(
        label="Enable",
        explanation="Callers find the model by this name again.",
        icon="play_arrow",
    )
    def enable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Enable the alias."""
        return self.act(
            request,
            object_id,
            lambda row: services.enable_alias(alias=row),
            done="Enabled.",
        )

    @confirmed_action(
        label="Disable",
        explanation="New calls by this name are told that there is no such model.",
        icon="pause",
        is_danger=True,
    )
    def disable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Disable the alias."""
        return self.act(
            request,
            object_id,
            lambda row: services.disable_alias(alias=row),
            done="Disabled.",
        )


@admin.register(Replica)
class ReplicaAdmin(ServiceAdmin):
    """Replicas: add, change, drain, disable, activate."""

    form = ReplicaForm
    list_display = ("name", "model", "status", "url", "dialect", "created_at")
    list_filter = ("state", "dialect")
    list_select_related = ("model",)
    search_fields = ("name", "url", "model__name", "upstream_model")
    search_help_text = "Name, URL, model, the engine's own name, id"
    empty_says = "A replica is one running engine; add one for each."
    autocomplete_fields = ("model",)
    fields = (
        ("model", "name"),
        ("url", "dialect"),
        "upstream_model",
        ("auth", "credential"),
        "options",
        ("state", "created_at"),
    )
    readonly_fields = ("state", "created_at")
    fixed_fields = ("model", "name")
    actions_detail = ("activate", "drain", "disable")
    actions_row = ("activate", "drain", "disable")

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
        """Change how the replica is reached."""
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
    )
    def disable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Disable the replica."""
        return self.act(
            request,
            object_id,
            lambda row: services.disable_replica(replica=row),
            done="Disabled.",
        )
