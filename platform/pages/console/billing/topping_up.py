"""Credit bought from the console: by hand, by a rule, and what it is paid with.

Nothing is called at a provider here: the worker does, and the page follows. A link of
the provider's is opened by hand: the page's policy sends no form elsewhere.

Failure: what a service refuses is said beside its field, and nothing is written.
"""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from kit.errors import NotFound, PlatformError
from kit.money import format_minor, picos_from_minor
from kit.scopes import Scope
from metering.collection import portal as portals
from metering.collection.buying import asking
from metering.collection.models import PortalLink, Purchase
from metering.collection.selectors import checkout as checkout_by_id
from metering.collection.selectors import portal_link as link_by_id
from metering.topups import services
from metering.topups.selectors import rules
from metering.topups.services import OFFLINE
from metering.usage.selectors import database_now
from pages.access import live_page
from pages.console.billing.forms import RuleForm, TopUpForm
from pages.console.place import place_page, require
from pages.design.badges import Badge, Tone
from tenants.models import Member

form_page = require_http_methods(["GET", "HEAD", "POST"])
State = Purchase.State
_STATES = {
    State.ASKED: Badge("being prepared", Tone.WAIT),
    State.QUOTED: Badge("being prepared", Tone.WAIT),
    State.OPEN: Badge("to be paid", Tone.WAIT),
    State.PAID: Badge("paid", Tone.GOOD),
    State.FAILED: Badge("failed", Tone.BAD),
    State.CANCELLED: Badge("cancelled", Tone.OVER),
}


@form_page
@place_page
def page(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask how much credit to buy, then let it be paid for."""
    require(Scope.BILLING_WRITE)
    tenant = place.tenant
    form = TopUpForm(_sent(request), currency=tenant.currency)
    context = {"place": place, "form": form, "is_online": _is_online()}
    if form.is_valid():
        amount = form.cleaned_data["amount"]
        try:
            return _buy(request, place, amount)
        except PlatformError as refused:
            form.add_error("amount", refused.message)
    return _ask(request, "top_up", form, context)


@form_page
@place_page
def rule(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask when credit is bought by itself, then keep that."""
    require(Scope.BILLING_WRITE)
    tenant = place.tenant
    form = RuleForm(
        _sent(request), currency=tenant.currency, rule=rules(tenant=tenant).first()
    )
    context = {"place": place, "form": form}
    if form.is_valid():
        said = form.cleaned_data
        try:
            services.set_rule(
                tenant=tenant,
                threshold_picos=picos_from_minor(said["threshold"], tenant.currency),
                amount_minor=said["amount"],
                period_max_minor=said["period_max"],
                enabled=said["enabled"],
            )
        except PlatformError as refused:
            form.add_error(
                form.fields_of_refusals.get(refused.param or ""), refused.message
            )
        else:
            messages.success(request, "The rule is kept.")
            return redirect("console:billing", tenant=tenant.slug)
    return _ask(request, "top_up_rule", form, context)


@require_safe
@live_page
@place_page
def checkout(request: HttpRequest, *, place: Member, checkout_id: int) -> HttpResponse:
    """Follow a purchase: where it is paid, and what became of it."""
    require(Scope.BILLING_READ)
    row = _own(place, checkout_id)
    # The provider's page leads back before its word of the payment is here.
    is_confirmed_soon = row.state == State.OPEN and request.GET.get("paid") == "yes"
    invoice = row.top_up.invoice
    context = {
        "place": place,
        "checkout": row,
        "is_confirmed_soon": is_confirmed_soon,
        "invoice": invoice if row.state == State.PAID else None,
        "badge": _STATES[State(row.state)],
        "is_over": row.state not in Purchase.UNDER_WAY,
        "pay": row.url if row.state == State.OPEN and not is_confirmed_soon else "",
        "amount": format_minor(row.top_up.amount_minor, row.currency),
        "total": format_minor(row.total_minor, row.currency) if row.quoted_at else "",
        "tax": format_minor(row.tax_minor, row.currency) if row.quoted_at else "",
    }
    part = "_checkout" if request.headers.get("HX-Request") else "checkout"
    return render(request, f"pages/console/billing/{part}.html", context)


@require_POST
@place_page
def cancel(request: HttpRequest, *, place: Member, checkout_id: int) -> HttpResponse:
    """Close a page that nobody paid on, so that another can be asked for."""
    require(Scope.BILLING_WRITE)
    row = _own(place, checkout_id)
    try:
        asking.ask_to_cancel(purchase=row, now=database_now())
    except PlatformError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, "It is closed within seconds.")
    return redirect("console:checkout", tenant=place.tenant.slug, checkout_id=row.pk)


@require_POST
@place_page
def portal(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask for a link to the provider's page for customers."""
    require(Scope.BILLING_WRITE)
    try:
        row = portals.ask_for_link(tenant=place.tenant, now=database_now())
    except PlatformError as refused:
        messages.error(request, refused.message)
        return redirect("console:billing", tenant=place.tenant.slug)
    return redirect("console:portal_link", tenant=place.tenant.slug, link_id=row.pk)


@require_safe
@live_page
@place_page
def portal_link(request: HttpRequest, *, place: Member, link_id: int) -> HttpResponse:
    """Follow a link until it is there to be opened."""
    require(Scope.BILLING_WRITE)
    row = link_by_id(link_id)
    if row.tenant_id != place.tenant_id:
        raise NotFound(f"There is no portal link {link_id}.")
    context = {
        "place": place,
        "link": row,
        "is_over": row.state != PortalLink.State.ASKED,
    }
    part = "_portal" if request.headers.get("HX-Request") else "portal"
    return render(request, f"pages/console/billing/{part}.html", context)


def _buy(request: HttpRequest, place: Member, amount_minor: int) -> HttpResponse:
    tenant, now = place.tenant, database_now()
    if _is_online():
        row = asking.ask_checkout(tenant=tenant, amount_minor=amount_minor, now=now)
        return redirect("console:checkout", tenant=tenant.slug, checkout_id=row.pk)
    services.ask_top_up(tenant=tenant, amount_minor=amount_minor, now=now)
    messages.success(
        request,
        "Asked for: its invoice is here within a minute, the credit with its payment.",
    )
    return redirect("console:billing", tenant=tenant.slug)


def _is_online() -> bool:
    """Tell whether this installation takes payments through a provider."""
    return settings.BILLING_PROVIDER != OFFLINE


def _own(place: Member, checkout_id: int) -> Purchase:
    row = checkout_by_id(checkout_id)
    if row.tenant_id != place.tenant_id:
        raise NotFound(f"There is no checkout {checkout_id}.")
    return row


def _sent(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _ask(
    request: HttpRequest, page: str, form: Form, context: dict[str, Any]
) -> HttpResponse:
    status = 400 if form.is_bound else 200
    return render(request, f"pages/console/billing/{page}.html", context, status=status)
