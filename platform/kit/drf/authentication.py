"""Operators call the management API with one bearer token, compared in constant time.

Failure: no token and a wrong one are both a 401 that names the scheme.
"""

import hmac

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from kit.errors import InvalidApiKey

SCHEME = "Bearer"


class Operator:
    """The caller that holds the operator token."""

    is_authenticated = True
    is_operator = True

    def __str__(self) -> str:
        return "operator"


class OperatorToken(BaseAuthentication):
    """`Authorization: Bearer <OPERATOR_TOKEN>`."""

    def authenticate(self, request: Request) -> tuple[Operator, None] | None:
        """Return the operator, or None when no bearer token was sent."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        expected = settings.OPERATOR_TOKEN.encode()
        if not hmac.compare_digest(token.strip().encode(), expected):
            raise InvalidApiKey(
                "This is not the operator token.",
                code="invalid_token",
                headers={"WWW-Authenticate": SCHEME},
            )
        return Operator(), None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a missing token is a 401."""
        return SCHEME
