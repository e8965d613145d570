"""The page behind the link of an invitation: an account is made, or joins, or neither.

Whoever holds the link got the mail, so the address is theirs. Somebody new gives a name
and a password; somebody known signs in first and then confirms.

Failure: a link that opens nothing is one page for every reason, with 404. What the
services refuse is said on the page, and nothing is written.
"""

from typing import cast

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import EmailAddress, Login
from allauth.utils import generate_unique_username
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from kit.errors import Conflict, NotFound, PermissionDenied
from kit.orm.atomic import atomic
from pages.access import refusal
from pages.accounts.backend import owners_of
from pages.accounts.forms import NewAccountForm
from tenants import services
from tenants.models import Invitation, Tenant

HOME = "console:home"


@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, text: str) -> HttpResponse:
    """Show what is offered, and take it for whoever says yes."""
    try:
        with atomic():
            found = services.open_invitation(text=text, now=timezone.now())
            if request.user.is_authenticated:
                return _join(request, text, found)
            if owners_of(found.email):
                return _show(request, found, has_account=True)
            return _sign_up(request, text, found)
    except NotFound as missing:
        return refusal(request, 404, "No open invitation", missing.message)
    except (Conflict, PermissionDenied) as refused:
        return refusal(request, 403, "Not with this account", refused.message)


def _join(request: HttpRequest, text: str, found: Invitation) -> HttpResponse:
    """Let somebody who is signed in say yes."""
    user = cast("User", request.user)
    if request.method != "POST":
        return _show(request, found)
    services.accept_invitation(
        text=text, user=user, verified=_addresses(user), now=timezone.now()
    )
    return redirect(HOME)


def _sign_up(request: HttpRequest, text: str, found: Invitation) -> HttpResponse:
    """Make an account of somebody new, and sign them in to it."""
    form = NewAccountForm(request.POST or None, email=found.email)
    if not form.is_valid():
        return _show(request, found, form=form)
    # As accepting does: of two at once, the second finds the link used, not the name.
    Tenant.objects.select_for_update(no_key=True).get(pk=found.tenant_id)
    found = services.open_invitation(text=text, now=timezone.now())
    password = form.cleaned_data["password"]
    user = _new_account(found.email, form.cleaned_data["name"], password)
    services.accept_invitation(
        text=text, user=user, verified={found.email}, now=timezone.now()
    )
    login = Login(user=user, email_verification="none", redirect_url=reverse(HOME))
    answer: HttpResponse = perform_password_login(
        request, {"username": user.get_username()}, login
    )
    return answer


def _new_account(email: str, name: str, password: str) -> User:
    """Create an account whose address is verified: the link came by it."""
    user = User(username=generate_unique_username([email]), email=email)
    user.first_name = name
    user.set_password(password)
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def _addresses(user: User) -> set[str]:
    """Return the addresses that are an account's own.

    The one that an operator gave it is, too: the services compare it with the invited
    one, and the link came to that.
    """
    rows = EmailAddress.objects.filter(user=user, verified=True)
    return {*rows.values_list("email", flat=True), user.email} - {""}


def _show(
    request: HttpRequest,
    found: Invitation,
    *,
    form: NewAccountForm | None = None,
    has_account: bool = False,
) -> HttpResponse:
    context = {"invitation": found, "form": form, "has_account": has_account}
    status = 400 if form is not None and form.is_bound else 200
    return render(request, "account/invitation.html", context, status=status)
