"""A tenant's settings: its name and zone, and how safely its members sign in.

A new zone, and a new day on which periods begin, hold from the next period on: what
has begun keeps its days.

Failure: what the service refuses is said beside its field, and nothing is written.
"""

import zoneinfo
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from kit.acting import current
from kit.errors import PlatformError
from kit.number_fields import WholeField
from kit.scopes import Scope
from pages.console.forms import ask, say, sent
from pages.console.frame import address_in
from pages.console.people.accounts import accounts
from pages.console.place import form_page, place_page, require
from pages.console.spending import running
from pages.design.cells import Cell, words
from pages.design.heading import Heading
from tenants import selectors, services
from tenants.models import Member, Tenant

_FIELDS = {"name": "name", "zone": "zone", "period_day": "period_day"}
_MEMBERS_LOOKED_AT = 500


class SettingsForm(forms.Form):
    """What a tenant may change of itself."""

    name = forms.CharField(
        label="Name",
        max_length=Tenant._meta.get_field("name").max_length,
        help_text="On pages, mails and coming invoices.",
    )
    zone = forms.ChoiceField(
        label="Time zone",
        choices=[(each, each) for each in sorted(zoneinfo.available_timezones())],
        help_text="Of days, limits and billing periods; from the next period on.",
    )
    period_day = WholeField(
        label="Periods begin on day",
        min_value=1,
        max_value=28,
        help_text="Of the month; from the next period on, which is then shorter.",
    )


@form_page
@place_page
def settings(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show the settings, and change them for who may."""
    require(Scope.TENANT_READ)
    tenant = place.tenant
    if request.method == "POST":
        require(Scope.TENANT_WRITE)
    form = SettingsForm(
        sent(request),
        initial={
            "name": tenant.name,
            "zone": tenant.zone,
            "period_day": tenant.period_day,
        },
    )
    if form.is_valid():
        try:
            services.update_tenant(tenant=tenant, **form.cleaned_data)
        except PlatformError as refused:
            say(refused, form, _FIELDS)
        else:
            messages.success(request, "The settings are changed.")
            return redirect(address_in(tenant)("console:settings"))
    context = {
        "place": place,
        "heading": Heading("Settings", scope=(tenant.name,)),
        "facts": _facts(tenant),
        "may_change": current().may(Scope.TENANT_WRITE),
        "form": form,
        "safety": _safety() if current().may(Scope.MEMBERS_WRITE) else None,
        "members": address_in(tenant)("console:members"),
    }
    return ask(request, "records/settings", form, context)


def _facts(tenant: Tenant) -> list[tuple[str, Cell]]:
    span = running(tenant, now=timezone.now())
    return [
        ("Short name", words(tenant.slug)),
        ("Currency", words(tenant.currency)),
        ("Pays", words(tenant.get_payment_mode_display())),
        ("Running period", words(span.name if span else "not written yet")),
        ("Next period begins", words(str(span.end_date) if span else "not known yet")),
        ("Zone from then on", words(tenant.zone)),
    ]


def _safety() -> dict[str, Any]:
    """Count the members whose account has no second factor."""
    rows = list(selectors.members(removed=False)[:_MEMBERS_LOOKED_AT])
    known = accounts(rows)
    without = [
        row
        for row in rows
        if not (found := known.get(row.pk)) or not found.has_second_factor
    ]
    return {"members": len(rows), "without": len(without)}
