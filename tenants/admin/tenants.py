"""Operators' pages of tenants."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from kit.admin import (
    BulkAction,
    Confirmation,
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from kit.money import Money
from tenants import services
from tenants.admin import suspending
from tenants.admin.filters import UseFilter
from tenants.admin.inlines import KeyInline, ProjectInline
from tenants.admin.limits_in_effect import ShowsLimits
from tenants.admin.standings import Standing, ago, standings
from tenants.models import Tenant

NOT_KNOWN = "not known"


class _SuspendForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Count keys, requests and invoices."""
        weighed = suspending.consequences([int(object_id)], now=timezone.now())
        return " ".join(weighed.lines)


@admin.register(Tenant)
class TenantAdmin(ShowsLimits, ServiceAdmin):
    """Tenants: create, change, suspend, restore."""

    list_display = (
        "slug",
        "name",
        "status",
        "plan_name",
        "active_keys",
        "last_use",
        "spend",
        "since",
    )
    list_filter = ("state", "plan", UseFilter, "payment_mode", "currency")
    list_select_related = ("plan",)
    search_fields = ("slug", "name", "billing_email")
    search_help_text = "Slug, name, billing e-mail, id"
    empty_says = "A tenant is a customer or a department: it pays, and holds the keys."
    fields = (
        ("slug", "name"),
        ("currency", "zone", "period_day"),
        "billing_email",
        ("state", "suspended_for", "plan"),
        ("payment_mode", "created_at"),
        ("active_keys", "last_use", "spend"),
    )
    readonly_fields = (
        "state",
        "suspended_for",
        "payment_mode",
        "created_at",
        "active_keys",
        "last_use",
        "spend",
    )
    fixed_fields = ("slug", "currency")
    inlines = (ProjectInline, KeyInline)
    actions_detail = ("suspend", "restore", "prepay", "postpay")
    bulk_actions: ClassVar[tuple[BulkAction, ...]] = (
        suspending.SuspendTenants(),
        suspending.RestoreTenants(),
    )

    def page_of(self, row: Tenant) -> str:
        """Lead to the page with everything about a tenant."""
        return reverse("operations:tenant", args=(row.pk,))

    def look_up(self, rows: Sequence[Any]) -> None:
        """Read keys, use and charges of a page of tenants."""
        for row, standing in zip(rows, standings(rows), strict=True):
            row.standing = standing

    def has_suspend_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow those who may suspend, whether or not they may change a tenant."""
        return bool(request.user.has_perm("tenants.suspend_tenant"))

    @state_label(ordering="state", active="success", suspended="danger")
    def status(self, row: Tenant) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="plan", ordering="plan__slug", empty_value="default")
    def plan_name(self, row: Tenant) -> str | None:
        """Show the plan; without one the default plan holds."""
        return row.plan.slug if row.plan else None

    @admin.display(description="active keys")
    def active_keys(self, row: Any) -> str:
        """Show how many keys open the door, or would if it were not suspended."""
        return f"{_standing(row).active_keys:,}"

    @admin.display(description="last use")
    def last_use(self, row: Any) -> str:
        """Show how long ago a key was used."""
        return ago(_standing(row).last_used_at)

    @admin.display(description="spend this month, so far")
    def spend(self, row: Any) -> str:
        """Show what was charged in the running month of the tenant, as rolled up."""
        picos = _standing(row).charged_picos
        return NOT_KNOWN if picos is None else str(Money(picos, row.currency))

    @admin.display(description="created", ordering="id")
    def since(self, row: Tenant) -> Any:
        """Show when it was created; ids are given in that order."""
        return row.created_at

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new tenant needs; show all there is of one."""
        return self.fields if obj else self.fields[:3]

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Tenant:
        """Create the tenant with its default project."""
        return services.create_tenant(**values)

    def update(self, row: Tenant, changes: Mapping[str, Any]) -> Tenant:
        """Change the tenant; its plan by the service of plans."""
        rest = dict(changes)
        if "plan" in rest:
            plan = rest.pop("plan")
            row = (
                services.set_plan(tenant=row, plan=plan)
                if plan
                else services.clear_plan(tenant=row)
            )
        return services.update_tenant(tenant=row, **rest)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show what belongs to a tenant once there is one."""
        return self.inlines if obj else ()

    @confirmed_action(
        label="Suspend",
        explanation="Every call of this tenant is refused until it is restored.",
        icon="pause",
        is_danger=True,
        form=_SuspendForm,
        permission="suspend",
    )
    def suspend(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Suspend the tenant."""
        return self.act(
            request,
            object_id,
            lambda row: services.suspend_tenant(tenant=row),
            done="Suspended.",
        )

    @confirmed_action(
        label="Restore",
        explanation="This tenant may call again at once.",
        icon="play_arrow",
        permission="suspend",
    )
    def restore(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Restore the tenant."""
        return self.act(
            request,
            object_id,
            lambda row: services.restore_tenant(tenant=row),
            done="Restored.",
        )

    @confirmed_action(
        label="Prepaid",
        explanation="From now on its use burns credit; without credit every call is"
        " refused. What it used until now is paid as it was.",
        icon="account_balance_wallet",
        is_danger=True,
    )
    def prepay(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the tenant pay from credit."""
        return self._pay(request, object_id, Tenant.PaymentMode.PREPAID)

    @confirmed_action(
        label="Postpaid",
        explanation="From now on its use is invoiced and burns no credit. What credit"
        " it has stays, and expires as it would.",
        icon="receipt_long",
    )
    def postpay(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the tenant pay by invoice."""
        return self._pay(request, object_id, Tenant.PaymentMode.POSTPAID)

    def _pay(
        self, request: HttpRequest, object_id: str, mode: Tenant.PaymentMode
    ) -> HttpResponse:
        return self.act(
            request,
            object_id,
            lambda row: services.set_payment_mode(tenant=row, payment_mode=mode),
            done=f"It pays {mode.label}.",
        )


def _standing(row: Any) -> Standing:
    """Return what was looked up of a row of the list, or look it up for its page."""
    if not hasattr(row, "standing"):
        (row.standing,) = standings([row])
    standing: Standing = row.standing
    return standing
