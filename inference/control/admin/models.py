"""Operators' pages of served models."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from inference.control import retiring, services
from inference.control.admin.retirement import RetirementForm
from inference.control.calibration import services as calibration
from inference.control.calibration.telling import told
from inference.control.forms import ModelForm
from inference.control.models import Replica, ServedModel
from kit.admin import ReadOnlyInline, ServiceAdmin, confirmed_action, state_label


class _ReplicaInline(ReadOnlyInline):
    model = Replica
    fields = ("name", "url", "dialect", "slots", "weight", "canary", "state")
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
    fieldsets = (
        (
            None,
            {
                "fields": (
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
                    ("retires_at", "successor"),
                    "prompt_bound",
                )
            },
        ),
        ("Routing", {"fields": ("policy", "canary_permille")}),
        ("Waiting", {"fields": (("queue_max", "queue_ms"), "wake_ms")}),
        ("Fallback", {"fields": ("fallbacks",)}),
    )
    autocomplete_fields = ("base",)
    readonly_fields = (
        "enabled",
        "created_at",
        "retires_at",
        "successor",
        "prompt_bound",
    )
    fixed_fields = ("name",)
    inlines = (_ReplicaInline,)
    actions_detail = (
        "enable",
        "disable",
        "retire",
        "call_off_retirement",
        "recalibrate",
    )

    @state_label(
        ordering="enabled",
        enabled="success",
        disabled="danger",
        retiring="warning",
        retired="danger",
    )
    def status(self, row: ServedModel) -> str:
        """Show the state as a label."""
        if not row.enabled:
            return "disabled"
        if row.retires_at is None:
            return "enabled"
        return "retired" if row.retires_at <= timezone.now() else "retiring"

    @admin.display(description="prompt bound")
    def prompt_bound(self, row: ServedModel) -> str:
        """Say how the bound of a prompt's tokens was found, and what it is."""
        return told(row)

    @admin.display(description="fallbacks")
    def fallbacks(self, row: ServedModel) -> str:
        """Show who stands in, in order, to those who may not change it."""
        return ", ".join(each.name for each in row.fallbacks)

    def held_with(self, row: ServedModel) -> Mapping[str, str]:
        """Hold an edit against the fallbacks, too, which are rows of their own."""
        return {"fallbacks": self.fallbacks(row)}

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
        label="Retire",
        explanation=(
            "From that instant on its calls are refused, with the name of what to call"
            " instead. Tenants that use it are told 90, 30 and 7 days before."
        ),
        icon="event_busy",
        is_danger=True,
        form=RetirementForm,
    )
    def retire(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Plan when the model retires."""
        given = form.cleaned_data
        return self.act(
            request,
            object_id,
            lambda row: retiring.plan_retirement(
                model=row,
                retires_at=given["retires_at"],
                successor=given["successor"],
                now=timezone.now(),
            ),
            done=f"Retires at {given['retires_at']:%Y-%m-%d %H:%M} UTC.",
        )

    @confirmed_action(
        label="Call off retirement",
        explanation="It is served as long as it is enabled, also if it retired.",
        icon="event_available",
    )
    def call_off_retirement(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Serve the model without an end."""
        return self.act(
            request,
            object_id,
            lambda row: retiring.call_off_retirement(model=row),
            done="It does not retire.",
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
