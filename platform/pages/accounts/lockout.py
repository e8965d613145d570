"""Lock-out: who failed too often waits, whoever it is and whether or not they exist.

Failures of one account from one address lock that account for that address, so that
nobody locks out somebody elsewhere; failures of one address with any accounts lock the
address. What was typed is counted by the account that it means: name and address of one
person are one account.

Failure: without PostgreSQL there is neither a count nor a sign-in.
"""

import ipaddress
from typing import Any

from allauth.core.internal import ratelimit
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pages.accounts.backend import account_of
from tenants.audit.accounts import tell_account

NAME_CHARS_MAX = 255
# A household or a server has all of these; who has one has all.
_V6_PREFIX = 64


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes' own counts, and the larger one of an address."""

    def get_failures(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """Return the failures that count; an address with too many has enough."""
        found: int = super().get_failures(request, credentials)
        since = timezone.now() - settings.SIGN_IN_LOCK
        rows = AccessAttempt.objects.filter(
            ip_address=client_address(request), attempt_time__gte=since
        )
        total = rows.aggregate(total=Sum("failures_since_start"))["total"] or 0
        if total >= settings.SIGN_IN_FAILURES_BY_ADDRESS_MAX:
            return max(found, settings.AXES_FAILURE_LIMIT)
        return found


def account_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the name under which failures of these credentials are counted."""
    given = credentials or request.POST
    typed = next(
        (
            str(given[name])
            for name in ("username", "email", "login")
            if given.get(name)
        ),
        "",
    )
    typed = typed.replace("\0", "").strip()[:NAME_CHARS_MAX]
    meant = account_of(typed)
    return (typed if meant is None else meant.get_username()).lower()


def client_address(request: HttpRequest) -> str:
    """Return the caller's address; of IPv6 the network that it is free to choose in."""
    given = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        # Only a test or a socket of this machine calls without one.
        return "127.0.0.1"
    if address.version == 4:
        return str(address)
    network = ipaddress.IPv6Network((address, _V6_PREFIX), strict=False)
    return str(address.ipv4_mapped or network.network_address)


def locked_out(
    request: HttpRequest, original: HttpResponse | None, credentials: Any
) -> HttpResponse:
    """Answer somebody who is locked out: how long it lasts and who can end it."""
    minutes = int(settings.SIGN_IN_LOCK.total_seconds() // 60)
    return render(request, "account/locked.html", {"minutes": minutes}, status=429)


def unlock(*, user: User) -> int:
    """Forget the failures of an account, of passwords and codes; return how many."""
    name = user.get_username().lower()
    rows = AccessAttempt.objects.filter(username=name)
    total: int = rows.aggregate(total=Sum("failures_since_start"))["total"] or 0
    rows.delete()
    ratelimit.clear(
        HttpRequest(),
        app="allauth.account",
        action="login_failed",
        key=f"mfa-auth-user-{user.pk}",
    )
    tell_account(user, action="unlock")
    return total
