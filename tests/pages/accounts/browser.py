"""Sign in the way a browser does: pages, forms, and where they lead."""

from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.factories.accounts import PASSWORD

LOGIN = "/accounts/login/"
CODE = "/accounts/2fa/authenticate/"
SET_UP = "/accounts/2fa/totp/activate/"
AGAIN = "/accounts/2fa/reauthenticate/"


def give_password(
    client: Client, name: str, password: str = PASSWORD, **more: Any
) -> HttpResponse:
    """Send the sign-in form."""
    values = {"login": name, "password": password}
    found: Any = client.post(LOGIN, values, **more)
    response: HttpResponse = found
    return response


def give_code(client: Client, code: str, page: str = CODE) -> HttpResponse:
    """Send a code."""
    found: Any = client.post(page, {"code": code})
    response: HttpResponse = found
    return response


def leads_to(response: Any, page: str) -> bool:
    """Tell whether an answer redirects to a page, whatever its query."""
    target = str(response.headers.get("Location", ""))
    return bool(response.status_code == 302) and target.partition("?")[0] == page


def is_refused(client: Client, *pages: str) -> bool:
    """Tell whether none of the pages opens."""
    return all(client.get(page).status_code in {302, 403} for page in pages)


def opens(client: Client, *pages: str) -> bool:
    """Tell whether all of the pages open."""
    return all(client.get(page).status_code == 200 for page in pages)
