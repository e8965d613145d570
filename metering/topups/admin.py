"""Pages of top-ups and of the rules that ask for them; how far each has come.

A person asks for one by hand, cancels one that is due, and says when a tenant is topped
up by itself. Failure: what the service refuses is said on the page.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from kit.admin import Confirmation, ServiceAdmin, confirmed_action, state_label
from kit.money import format_minor, format_picos
from metering.topups import selectors, services
from metering.topups.forms import RuleForm, TopUpForm, rule_terms
from metering.topups.models import TopUp, TopUpRule
from metering.usage.selectors import database_now


class _CancelForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what is not bought."""
        row = selectors.top_up(int(object_id))
        amount = format_minor(row.amount_minor, row.currency)
        return f"{amount} of credit is not bought for '{row.tenant}'."


@admin.register(TopUp)
class TopUpAdmin(ServiceAdmin):
    """Credit that tenants buy."""

    form = TopUpForm
    list_display = ("reference", "tenant", "amount_said", "way", "status", "asked_at")
    list_filter = ("state", "way", "by_rule")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    search_help_text = "Tenant, id"
    empty_says = "Credit that tenants buy, or that rules buy for them, is listed here."
    autocomplete_fields = ("tenant",)
    ordering = ("-id",)
    fixed_fields = ("tenant",)
    readonly_fields = (
        "amount_said",
        "way",
        "by_rule",
        "state",
        "problem",
        "invoice",
        "grant",
        "asked_at",
        "ended_at",
    )
    actions_detail = ("cancel",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for whom and how much; show how far it has come."""
        if obj is None:
            return ("tenant", "amount")
        return (
            ("tenant", "amount_said"),
            ("way", "by_rule"),
            ("state", "problem"),
            ("invoice", "grant"),
            ("asked_at", "ended_at"),
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse to change what was asked for; it may be cancelled."""
        if isinstance(obj, TopUp):
            return False
        return bool(super().has_change_permission(request, obj))

    @state_label(
        ordering="state",
        due="info",
        pending="info",
        invoiced="warning",
        paid="success",
        failed="danger",
        cancelled="warning",
    )
    def status(self, row: TopUp) -> str:
        """Show how far it has come."""
        return row.state

    @admin.display(description="amount", ordering="amount_minor")
    def amount_said(self, row: TopUp) -> str:
        """Show the amount before tax, with its currency."""
        return format_minor(row.amount_minor, row.currency)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> TopUp:
        """Ask for the top-up."""
        return services.ask_top_up(
            tenant=values["tenant"], amount_minor=values["amount"], now=database_now()
        )

    @confirmed_action(
        label="Cancel",
        explanation="Only one that nobody was charged for yet can be cancelled.",
        icon="cancel",
        is_danger=True,
        form=_CancelForm,
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Give the top-up up."""
        return self.act(
            request,
            object_id,
            lambda row: services.cancel_top_up(top_up=row, now=database_now()),
            done="Cancelled.",
        )


@admin.register(TopUpRule)
class TopUpRuleAdmin(ServiceAdmin):
    """When tenants are topped up by themselves."""

    form = RuleForm
    list_display = ("tenant", "threshold_said", "amount_said", "most_said", "enabled")
    list_filter = ("enabled",)
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    search_help_text = "Tenant, id"
    empty_says = "No tenant is topped up by itself: each asks, or is asked for."
    autocomplete_fields = ("tenant",)
    fixed_fields = ("tenant",)
    fields = (
        ("tenant", "enabled"),
        ("threshold", "amount"),
        ("period_max", "cool_off_s"),
    )
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TopUpRule]:
        """Read rules with their tenants, in whose currency they are."""
        rows: QuerySet[TopUpRule] = super().get_queryset(request)
        return rows.select_related("tenant")

    @admin.display(description="below", ordering="threshold_picos")
    def threshold_said(self, row: TopUpRule) -> str:
        """Show how little credit is topped up."""
        return f"{format_picos(row.threshold_picos)} {row.tenant.currency}"

    @admin.display(description="buys", ordering="amount_minor")
    def amount_said(self, row: TopUpRule) -> str:
        """Show what is bought."""
        return format_minor(row.amount_minor, row.tenant.currency)

    @admin.display(description="most a period", ordering="period_max_minor")
    def most_said(self, row: TopUpRule) -> str:
        """Show what a period comes to at most."""
        return format_minor(row.period_max_minor, row.tenant.currency)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> TopUpRule:
        """Say when the tenant is topped up; a rule that it had is replaced."""
        tenant = values["tenant"]
        return services.set_rule(tenant=tenant, **rule_terms(dict(values), tenant))

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Write all that the form says: what it leaves out it does not change."""
        if change and form.changed_data:
            tenant = obj.tenant
            services.set_rule(tenant=tenant, **rule_terms(form.cleaned_data, tenant))
        elif not change:
            super().save_model(request, obj, form, change)
