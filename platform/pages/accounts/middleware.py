"""What holds for every page that somebody is signed in to.

`SessionLimits` ends sessions by age and by idleness. `SecondFactorFirst` keeps staff
from every page until a second factor was shown. `AccountPages` runs the pages of
signing in as one transaction each, and says what they may load.

Failure: a session that does not say when it began has ended.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, current_alias
from pages.access import POLICY
from pages.accounts import factors

BEGAN, SEEN = "began_at", "seen_at"
# A session is written when it changes: not with every request of a busy one.
SEEN_STEP = dt.timedelta(minutes=1)
ACCOUNTS = "/accounts/"
# Beside the page on which the factor is given: those of the password, and the way out.
# Pages that show, change or remove a factor are as closed as all others.
_OPEN = (
    *("/accounts/login/", "/accounts/2fa/authenticate/", "/accounts/reauthenticate/"),
    *("/accounts/logout/", "/admin/logout/"),
)
# The picture that an authenticator app scans is part of its page.
ACCOUNTS_POLICY = POLICY.replace("img-src 'self'", "img-src 'self' data:")

Answer = Callable[[HttpRequest], HttpResponse]


class SessionLimits:
    """End sessions that are too old, or that nobody used for too long."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer as to nobody once the session has ended."""
        # Only in this role can a session be read; other addresses have none.
        if current_alias() == OPERATOR and request.user.is_authenticated:
            now = timezone.now()
            began, seen = (_instant(request, name) for name in (BEGAN, SEEN))
            if (
                now - began >= settings.SESSION_LENGTH_MAX
                or now - seen >= settings.SESSION_IDLE_MAX
            ):
                logout(request)
            elif now - seen >= SEEN_STEP:
                request.session[SEEN] = now.timestamp()
        return self._get_response(request)


def begin(*, request: HttpRequest, **_: Any) -> None:
    """Note when a session began; sent by Django with every sign-in."""
    now = timezone.now().timestamp()
    request.session[BEGAN] = request.session[SEEN] = now


def _instant(request: HttpRequest, name: str) -> dt.datetime:
    stamp = float(request.session.get(name, 0.0))
    return dt.datetime.fromtimestamp(stamp, dt.UTC)


class SecondFactorFirst:
    """Lead staff without a second factor in this session to where it is given."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, unless a second factor is owed first."""
        if (
            current_alias() == OPERATOR
            and not request.path.startswith(_OPEN)
            and factors.is_owed(request)
        ):
            step = factors.next_step(request)
            if step.partition("?")[0] != request.path:
                return HttpResponseRedirect(step)
        return self._get_response(request)


class AccountPages:
    """Make what a page of signing in writes one transaction, and guard the page."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; a refused form is no error, so the failure that it counts stays."""
        if not request.path.startswith(ACCOUNTS):
            return self._get_response(request)
        with atomic():
            response = self._get_response(request)
            if hasattr(response, "render"):
                response.render()
        response["Content-Security-Policy"] = ACCOUNTS_POLICY
        response["Cache-Control"] = "no-store"
        return response
