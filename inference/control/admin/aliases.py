"""Operators' pages of aliases."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from inference.control import services
from inference.control.models import ModelAlias
from kit.admin import ServiceAdmin, confirmed_action, state_label


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
