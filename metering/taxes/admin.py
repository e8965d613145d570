"""Operators' pages of taxes: say what a place charges and how a tenant is treated.

What a row says is said once; a rate is ended by its action, a treatment by the next
one. Failure: what the service refuses is said on the page.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from kit.admin import Confirmation, ServiceAdmin, confirmed_action
from metering.taxes import selectors, services
from metering.taxes.models import TaxRate, TaxTreatment, percent_text
from metering.usage.selectors import database_now
from tenants.models import Tenant


class _EndForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what ends."""
        rate = selectors.tax_rate(int(object_id))
        return f"{rate} is charged on nothing that is invoiced from now on."


class _TreatmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tenant's new treatment, from now on."""

    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.all(),
        to_field_name="slug",
        widget=UnfoldAdminTextInputWidget,
        help_text="The tenant's slug.",
        error_messages={"invalid_choice": "There is no such tenant."},
    )

    class Meta:
        model = TaxTreatment
        fields = ("kind", "country", "region", "note")


@admin.register(TaxRate)
class TaxRateAdmin(ServiceAdmin):
    """Tax rates."""

    list_display = (
        "name",
        "percentage",
        "country",
        "region",
        "starts_at",
        "ends_at",
    )
    list_filter = ("country",)
    search_fields = ("name", "country", "region")
    search_help_text = "Name, country, region, id"
    empty_says = "No tax is charged before a rate and a tenant's treatment are there."
    ordering = ("-id",)
    fields = (
        ("name", "percent"),
        ("country", "region"),
        ("starts_at", "ends_at"),
    )
    fixed_fields = ("name", "percent", "country", "region", "starts_at", "ends_at")
    actions_detail = ("end",)

    @admin.display(description="percent", ordering="percent")
    def percentage(self, row: TaxRate) -> str:
        """Show the percentage without trailing zeros."""
        return percent_text(row.percent)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> TaxRate:
        """Create the rate."""
        terms: Any = dict(values)
        return services.create_rate(**terms)

    def update(self, row: TaxRate, changes: Mapping[str, Any]) -> TaxRate:
        """Leave the rate as it is: another percentage is another rate."""
        return row

    @confirmed_action(
        label="End",
        explanation="The rate ends now, for good.",
        icon="event_busy",
        is_danger=True,
        form=_EndForm,
    )
    def end(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """End the rate."""
        now = database_now()
        return self.act(
            request,
            object_id,
            lambda row: services.end_rate(rate=row, ends_at=now, now=now),
            done="Ended.",
        )


@admin.register(TaxTreatment)
class TaxTreatmentAdmin(ServiceAdmin):
    """How tenants are taxed."""

    form = _TreatmentForm
    list_display = ("tenant", "kind", "country", "region", "starts_at", "ends_at")
    list_filter = ("kind", ("ends_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    search_help_text = "Tenant, id"
    empty_says = "A tenant without a treatment is charged no tax."
    ordering = ("-id",)
    fields = (
        ("tenant", "kind"),
        ("country", "region"),
        "note",
        ("starts_at", "ends_at", "created_at"),
    )
    readonly_fields = ("starts_at", "ends_at", "created_at")
    fixed_fields = ("tenant", "kind", "country", "region", "note")

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> TaxTreatment:
        """Treat the tenant so from now on."""
        terms: Any = dict(values)
        return services.treat_tenant(now=database_now(), **terms)

    def update(self, row: TaxTreatment, changes: Mapping[str, Any]) -> TaxTreatment:
        """Leave the treatment as it is: the next one ends it."""
        return row
