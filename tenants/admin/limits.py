"""Operators' pages of rate limits, quotas and budgets: set, change, end."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kit.admin import ServiceAdmin, confirmed_action, state_label
from kit.money import format_picos
from tenants import services
from tenants.admin.limit_forms import BudgetForm, LimitForm
from tenants.models import Budget, Limit, Quota, RateLimit

_WHOM = (("plan", "level"), "tenant", "project", "api_key")
_LEVELS = {"tenant": "tenant", "project": "project", "api_key": "API key"}
_TERMS = ("model", "is_hard", "ends_at")


class _LimitAdmin(ServiceAdmin):
    """Limits of one kind."""

    form = LimitForm
    list_display = (
        "says",
        "holder",
        "model",
        "is_hard",
        "set_by",
        "status",
        "ends_at",
    )
    list_filter: tuple[Any, ...] = (
        "level",
        "set_by",
        "is_hard",
        "window",
        ("ended_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("plan", "tenant", "project", "api_key")
    search_fields = ("tenant__slug", "project__slug", "plan__slug", "model")
    search_help_text = "Tenant, project, plan, model, id"
    empty_says = "No limit of this kind is set: nothing of it is held back."
    autocomplete_fields = ("plan", "tenant", "project", "api_key")
    readonly_fields = ("set_by", "created_at", "ended_at")
    actions_detail = ("end",)
    # What a kind says beside what all do, and which of that may change.
    own_fields: tuple[Any, ...] = ()
    own_changes: tuple[str, ...] = ()
    service: Callable[..., Limit]

    @admin.display(description="limit")
    def says(self, row: Limit) -> str:
        """Show what it allows."""
        return str(row)

    @admin.display(description="for")
    def holder(self, row: Limit) -> str:
        """Show whom it is for."""
        return holder_name(row)

    @state_label(holds="success", ended="warning")
    def status(self, row: Limit) -> str:
        """Show whether it holds now."""
        is_past = row.ends_at is not None and row.ends_at <= timezone.now()
        return "ended" if row.ended_at or is_past else "holds"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask whom a new one is for; show all there is of one."""
        if obj is None:
            return (*_WHOM, *self.own_fields, *_TERMS)
        history = (("set_by", "created_at"), "ended_at")
        return ("holder", *self.own_fields, *_TERMS, *history)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave what may change of one that has not ended."""
        fixed = tuple(super().get_readonly_fields(request, obj))
        if obj is None:
            return fixed
        fields = (*_flat(self.own_fields), "model", "is_hard", "ends_at")
        open_to = () if obj.ended_at else (*self.own_changes, "is_hard", "ends_at")
        return (*fixed, "holder", *(name for name in fields if name not in open_to))

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Limit:
        """Set the limit."""
        return type(self).service(now=timezone.now(), **_terms(values))

    def update(self, row: Limit, changes: Mapping[str, Any]) -> Limit:
        """Change the limit."""
        return services.change_limit(limit=row, now=timezone.now(), **_terms(changes))

    @confirmed_action(
        label="End",
        explanation="It stops holding at once, for good. What stood behind it holds"
        " again: its plan's, or nothing.",
        icon="event_busy",
        is_danger=True,
    )
    def end(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """End the limit."""
        return self.act(
            request,
            object_id,
            lambda row: services.end_limit(limit=row, now=timezone.now()),
            done="Ended.",
        )


@admin.register(RateLimit)
class RateLimitAdmin(_LimitAdmin):
    """How fast."""

    list_filter = ("unit", *_LimitAdmin.list_filter)
    own_fields = (("unit", "window"), "value")
    own_changes = ("value",)
    service = services.create_rate_limit


@admin.register(Quota)
class QuotaAdmin(_LimitAdmin):
    """How many tokens."""

    list_filter = ("unit", *_LimitAdmin.list_filter)
    own_fields = (("unit", "window"), ("value", "warn_at"))
    own_changes = ("value", "warn_at")
    service = services.create_quota


@admin.register(Budget)
class BudgetAdmin(_LimitAdmin):
    """How much money."""

    form = BudgetForm
    list_filter = ("currency", *_LimitAdmin.list_filter)
    own_fields = (("amount", "currency"), ("window", "warn_at"))
    own_changes = ("amount", "warn_at")
    service = services.create_budget

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the amount of one that has ended as it was."""
        fields = super().get_fields(request, obj)
        if obj is None or not obj.ended_at:
            return fields
        return tuple(
            ("ended_amount", "currency") if field == ("amount", "currency") else field
            for field in fields
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Take the amount, which is no column, for what it is."""
        fields = super().get_readonly_fields(request, obj)
        return (*(name for name in fields if name != "amount"), "ended_amount")

    @admin.display(description="amount")
    def ended_amount(self, row: Budget) -> str:
        """Show the amount."""
        return format_picos(row.amount_picos)


def holder_name(row: Limit) -> str:
    """Say whom a limit is for."""
    if row.plan is not None:
        return f"plan {row.plan}: each {_LEVELS[row.level]}"
    of = row.project or row.api_key
    return f"{row.tenant} / {of}" if of else str(row.tenant)


def _terms(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form says as the services take it."""
    return {
        "amount_picos" if name == "amount" else name: value
        for name, value in values.items()
        if name != "opened_as"
    }


def _flat(fields: tuple[Any, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for field in fields:
        names += [field] if isinstance(field, str) else field
    return tuple(names)
