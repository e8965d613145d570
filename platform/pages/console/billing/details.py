"""Who a tenant is on its bills, and where they go.

Failure: what a service refuses is said beside its field, and nothing is written.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from kit.acting import current
from kit.errors import NotFound, PlatformError
from kit.scopes import Scope
from metering.billing.parties import set_billing_profile
from metering.billing.selectors import billing_profiles
from metering.usage.selectors import database_now
from pages.console.billing.forms import AddressForm, ProfileForm
from pages.console.place import place_page, require
from tenants.mails import addresses
from tenants.models import BillingAddress, Member


@require_http_methods(["GET", "HEAD", "POST"])
@place_page
def page(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show who the tenant is on its bills and where they go; keep what is changed."""
    require(Scope.BILLING_READ)
    sent = request.POST if request.method == "POST" else None
    profile = ProfileForm(sent, profile=billing_profiles(tenant=place.tenant).first())
    if sent is not None:
        require(Scope.BILLING_WRITE)
        if profile.is_valid():
            try:
                set_billing_profile(tenant=place.tenant, **profile.said)
            except PlatformError as refused:
                beside = refused.param if refused.param in profile.fields else None
                profile.add_error(beside, refused.message)
            else:
                messages.success(request, "Your next invoices say so.")
                return redirect("console:billing_details", tenant=place.tenant.slug)
    return _show(request, place, profile, AddressForm())


@require_POST
@place_page
def add(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Name an address; bills go there once whoever has it agrees."""
    require(Scope.BILLING_WRITE)
    form = AddressForm(request.POST)
    if form.is_valid():
        try:
            addresses.add_billing_address(
                tenant=place.tenant,
                email=form.cleaned_data["email"],
                now=database_now(),
            )
        except PlatformError as refused:
            form.add_error("email", refused.message)
        else:
            messages.success(request, "A mail asks there whether bills may come.")
            return redirect("console:billing_details", tenant=place.tenant.slug)
    profile = ProfileForm(None, profile=billing_profiles(tenant=place.tenant).first())
    return _show(request, place, profile, form)


@require_POST
@place_page
def ask(request: HttpRequest, *, place: Member, address_id: int) -> HttpResponse:
    """Send another mail that asks."""
    require(Scope.BILLING_WRITE)
    row = _own(place, address_id)
    try:
        addresses.ask_again(address=row, now=database_now())
    except PlatformError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"{row.email} is asked again.")
    return redirect("console:billing_details", tenant=place.tenant.slug)


@require_POST
@place_page
def remove(request: HttpRequest, *, place: Member, address_id: int) -> HttpResponse:
    """Send no more bills to an address."""
    require(Scope.BILLING_WRITE)
    row = _own(place, address_id)
    addresses.remove_billing_address(address=row, now=database_now())
    messages.success(request, f"No more bills go to {row.email}.")
    return redirect("console:billing_details", tenant=place.tenant.slug)


def _own(place: Member, address_id: int) -> BillingAddress:
    found = addresses.billing_addresses(tenant=place.tenant).filter(pk=address_id)
    row = found.first()
    if row is None:
        raise NotFound(f"There is no billing address {address_id}.")
    return row


def _show(
    request: HttpRequest, place: Member, profile: ProfileForm, form: AddressForm
) -> HttpResponse:
    context = {
        "place": place,
        "profile": profile,
        "form": form,
        "may_change": current().may(Scope.BILLING_WRITE),
        "addresses": addresses.billing_addresses(tenant=place.tenant),
        "addresses_max": addresses.ADDRESSES_MAX,
        "readers": addresses.bill_readers(place.tenant),
    }
    has_failed = bool(profile.errors or form.errors)
    return render(
        request,
        "pages/console/billing/details.html",
        context,
        status=400 if has_failed else 200,
    )
