"""Light or dark, as the reader chose; without a choice as the reader's system has it.

The choice is a cookie of this browser: it says nothing of anybody, and works where no
one is signed in. The way back is what the browser says it came from. Failure: an
unknown choice is 400; a way back that leads elsewhere is not followed.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "appearance"
LIGHT, DARK, SYSTEM = "light", "dark", "system"
YEAR_SECONDS = 365 * 24 * 3600


def appearance_of(request: HttpRequest) -> str:
    """Return `light` or `dark`; empty where the system decides."""
    chosen = request.COOKIES.get(COOKIE, "")
    return chosen if chosen in {LIGHT, DARK} else ""


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep a choice and go back to where it was made."""
    chosen = request.POST.get("appearance", "")
    if chosen not in {LIGHT, DARK, SYSTEM}:
        return HttpResponse(
            "Choose light, dark or system.", status=400, content_type="text/plain"
        )
    back = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse("home")
    answer = HttpResponseRedirect(back)
    if chosen == SYSTEM:
        answer.delete_cookie(COOKIE, samesite="Lax")
    else:
        answer.set_cookie(
            COOKIE,
            chosen,
            max_age=YEAR_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return answer
