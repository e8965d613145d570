"""Who may see a page, and what the page may load: decided in one place for every page.

Failure: nobody signed in is sent to the sign-in page; whoever lacks a right is told so
with 403; what is not there is 404, an address that makes no sense 400. Every answer
forbids scripts, foreign content, framing and caching, the refusals too.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from kit.errors import InvalidRequest, NotFound

Page = Callable[..., HttpResponse]

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


LIVE_POLICY = "; ".join((POLICY, "script-src 'self'", "connect-src 'self'"))
"""Of pages that follow long work: scripts of ours, which ask nobody else."""

# What was asked for, or has just been made: a refusal runs no script.
_SHOWN = frozenset({200, 201})


def staff_page(*permissions: str) -> Callable[[Page], Page]:
    """Let only staff with these permissions see a page, and guard what it loads."""

    def guard(page: Page) -> Page:
        return _guarded(page, lambda request: _admit(request, permissions))

    return guard


def admin_page(*permissions: str) -> Callable[[Page], Page]:
    """Let only staff with these permissions see a page in the frame of the admin.

    The frame runs the theme's scripts, which its own policy allows.
    """

    def guard(page: Page) -> Page:
        return _guarded(page, lambda request: _admit(request, permissions), policy="")

    return guard


def live_page(page: Page) -> Page:
    """Let a staff page run our scripts; it stands before `staff_page`.

    Such a page follows long work by asking for a part of itself anew. Refusals keep the
    policy that allows no script.
    """

    @wraps(page)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = page(request, *args, **kwargs)
        if response.status_code in _SHOWN:
            response["Content-Security-Policy"] = LIVE_POLICY
        return response

    return answer


def signed_in_page(page: Page) -> Page:
    """Let anybody who is signed in see a page, and guard what it loads."""
    return _guarded(page, _admit_anybody)


def _guarded(
    page: Page,
    admit: Callable[[HttpRequest], HttpResponse | None],
    *,
    policy: str = POLICY,
) -> Page:
    @wraps(page)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = admit(request) or _call(page, request, *args, **kwargs)
        if policy:
            response["Content-Security-Policy"] = policy
        # Figures change by the second, and they are not the browser's to keep.
        response["Cache-Control"] = "no-store"
        return response

    return answer


def _admit_anybody(request: HttpRequest) -> HttpResponse | None:
    """Return the way to sign in, or None for somebody who has."""
    if request.user.is_authenticated:
        return None
    return redirect_to_login(request.get_full_path(), reverse("account_login"))


def _admit(request: HttpRequest, permissions: tuple[str, ...]) -> HttpResponse | None:
    """Return the refusal, or None for somebody who may see the page."""
    if nobody := _admit_anybody(request):
        return nobody
    if not request.user.is_staff or not request.user.has_perms(permissions):
        message = (
            "Your account may not see this page. Ask an operator for the permissions "
            f"{' and '.join(permissions)}."
        )
        return refusal(request, 403, "Not yours to see", message)
    return None


def _call(page: Page, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    try:
        return page(request, *args, **kwargs)
    except NotFound as missing:
        return refusal(request, 404, "Nothing here", missing.message)
    except InvalidRequest as refused:
        return refusal(request, 400, "This address makes no sense", refused.message)


def refusal(
    request: HttpRequest, status: int, title: str, message: str
) -> HttpResponse:
    """Render a refusal as a page of its own."""
    context = {"title": title, "message": message}
    return render(request, "pages/refusal.html", context, status=status)
