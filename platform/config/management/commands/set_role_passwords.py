"""Give the service roles the passwords of their addresses, as the owner role."""

from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from django.core.management.base import BaseCommand, CommandError
from psycopg import sql

from config.env import DatabaseSettings, load

ROLES = ("app", "operator", "gateway")


class Command(BaseCommand):
    """`set_role_passwords`: idempotent, for every start and every new secret."""

    help = (
        "Set the passwords of tollgate_app, tollgate_operator and tollgate_gateway to "
        "those in DATABASE_*_URL. An address without a password leaves its role alone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Set the password of each role whose address has one."""
        settings = load(DatabaseSettings)
        try:
            with psycopg.connect(settings.database_url, autocommit=True) as owner:
                for role in ROLES:
                    address = urlsplit(settings.url_for(role))  # type: ignore[arg-type]
                    name = f"tollgate_{role}"
                    # A pooler may know the role by another name: that is its business.
                    if address.password and unquote(address.username or "") == name:
                        _set_password(owner, name, unquote(address.password))
        except psycopg.Error as error:
            raise CommandError(str(error).strip()) from None


def _set_password(owner: psycopg.Connection[Any], role: str, password: str) -> None:
    """Send the password hashed, so that no server log can show it."""
    hashed = owner.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    owner.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), hashed)
    )
