"""Which account a name or an address means, and whether the password is its own.

One password is checked with every attempt, whoever is meant and whether or not they
exist: how long an answer takes tells nobody which accounts there are.

Failure: an address that several accounts share means none of them; they have names.
"""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.userkit import (
    filter_users_by_email,
    get_user_by_username,
)
from django.contrib.auth.models import User
from django.http import HttpRequest


class AccountBackend(AuthenticationBackend):  # type: ignore[misc]
    """Sign in by name or address."""

    def _authenticate(
        self, request: HttpRequest | None, **credentials: Any
    ) -> User | None:
        typed = str(credentials.get("username") or credentials.get("email") or "")
        found: User | None = self._check_password(
            account_of(typed), str(credentials.get("password") or "")
        )
        return found


def account_of(typed: str) -> User | None:
    """Return the account that is meant by what was typed."""
    named: User | None = get_user_by_username(typed) if typed else None
    if named is not None or "@" not in typed:
        return named
    users = filter_users_by_email(typed, prefer_verified=True, for_login=True)
    by_id: dict[int, User] = {user.pk: user for user in users}
    return next(iter(by_id.values())) if len(by_id) == 1 else None
