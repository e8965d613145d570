"""Which account a command means."""

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db.models import Q


def account(name: str) -> User:
    """Return the account of this name or address; raises `CommandError`."""
    rows = User.objects.filter(Q(username=name) | Q(email__iexact=name))[:2]
    if len(rows) == 1:
        return rows[0]
    found = "more than one account is" if rows else "no account is"
    raise CommandError(f"{found} called '{name}'")
