"""Operators' pages of plans: create, change, make the default; whom each holds for."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kit.admin import Confirmation, ReadOnlyInline, ServiceAdmin, confirmed_action
from tenants import selectors, services
from tenants.models import Budget, Plan, Quota, RateLimit


class _MakeDefaultForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count who changes over, and from what."""
        former = selectors.plans(is_default=True).first()
        count = selectors.tenants_on_no_plan()
        if former is not None and former.pk == int(object_id):
            return f"It is the default already, for {count:,} tenants on no plan."
        since = f"plan {former}" if former else "no plan's limits"
        return (
            f"Tenants on no plan that change over: {count:,}. Until now: {since}."
            f" Limits that hold for each of them from now on: {_limits(object_id):,}."
        )


class _ClearDefaultForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count who is left with limits of their own alone."""
        plan = selectors.plans(is_default=True).filter(pk=object_id).first()
        if plan is None:
            return "It is not the default: nothing changes."
        count = selectors.tenants_on_no_plan()
        return f"Tenants left with no limits but their own: {count:,}."


def _limits(plan_id: str) -> int:
    now = timezone.now()
    return sum(
        selectors.limits(kind, now=now, active=True, plan_id=int(plan_id)).count()
        for kind in (RateLimit, Quota, Budget)
    )


class _PlanLimits(ReadOnlyInline):
    fields: tuple[str, ...] = (
        "says",
        "level",
        "model",
        "is_hard",
        "ends_at",
        "ended_at",
    )
    readonly_fields = fields
    ordering = ("-id",)

    @admin.display(description="limit")
    def says(self, row: Any) -> str:
        """Show what it allows."""
        return str(row)


class _RateLimits(_PlanLimits):
    model = RateLimit


class _Quotas(_PlanLimits):
    model = Quota


class _Budgets(_PlanLimits):
    model = Budget


@admin.register(Plan)
class PlanAdmin(ServiceAdmin):
    """Plans, and what each allows."""

    list_display = (
        "slug",
        "name",
        "is_default",
        "holds_for",
        "weight",
        "priority_max",
        "created_at",
    )
    list_filter = ("is_default",)
    search_fields = ("slug", "name")
    search_help_text = "Slug, name, id"
    empty_says = "A plan holds what tenants may use unless their own limits say so."
    fields = (
        ("slug", "name"),
        ("weight", "priority_max"),
        ("is_default", "holds_for"),
        "created_at",
    )
    readonly_fields = ("is_default", "holds_for", "created_at")
    fixed_fields = ("slug",)
    inlines = (_RateLimits, _Quotas, _Budgets)
    actions_detail = ("make_default", "clear_default")

    def look_up(self, rows: Sequence[Any]) -> None:
        """Count the tenants of a page of plans."""
        counts = selectors.tenant_counts(rows)
        for row in rows:
            row.holds_for_count = counts[row.pk]

    @admin.display(description="tenants it holds for")
    def holds_for(self, row: Any) -> str:
        """Show how many tenants it holds for."""
        if not hasattr(row, "holds_for_count"):
            self.look_up([row])
        return f"{row.holds_for_count:,}"

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show what a plan allows once there is one."""
        return self.inlines if obj else ()

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Plan:
        """Create the plan."""
        return services.create_plan(**values)

    def update(self, row: Plan, changes: Mapping[str, Any]) -> Plan:
        """Change the plan."""
        return services.update_plan(plan=row, **changes)

    @confirmed_action(
        label="Make default",
        explanation="It holds at once for every tenant that is on no plan.",
        icon="star",
        form=_MakeDefaultForm,
    )
    def make_default(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Switch the default plan."""
        return self.act(
            request,
            object_id,
            lambda row: services.make_default_plan(plan=row),
            done="It is the default plan now.",
        )

    @confirmed_action(
        label="Clear default",
        explanation="No plan holds then for tenants that are on none.",
        icon="star_border",
        is_danger=True,
        form=_ClearDefaultForm,
    )
    def clear_default(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Leave tenants on no plan without one."""
        return self.act(
            request,
            object_id,
            lambda row: services.clear_default_plan(plan=row),
            done="It is not the default plan any more.",
        )
