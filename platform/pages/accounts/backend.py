"""Which account a name or an address means, and whether the password is its own.

One password is checked with every attempt, whoever is meant and whether or not they
exist: how long an answer takes tells nobody which accounts there are.

Failure: an address that several accounts share means none of them; they have names.
One that an account would like to have, and has not confirmed, is not its address:
nobody takes an address away from somebody else by asking for it.
"""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.userkit import get_user_by_username
from allauth.account.models import EmailAddress
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
    owners = owners_of(typed)
    return owners[0] if len(owners) == 1 else None


def owners_of(address: str) -> list[User]:
    """Return the accounts that have confirmed an address, or else were given it."""
    confirmed = EmailAddress.objects.filter(email__iexact=address, verified=True)
    found = list(User.objects.filter(pk__in=confirmed.values("user_id")))
    return found or list(User.objects.filter(email__iexact=address))
