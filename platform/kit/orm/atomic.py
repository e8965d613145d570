"""Transactions on the connection of the role in force."""

from contextlib import AbstractContextManager

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from kit.orm.roles import current_alias


def atomic(*, durable: bool = False) -> AbstractContextManager[None]:
    """Open a transaction as the current role; Django's own would take the app role."""
    return transaction.atomic(using=current_alias(), durable=durable)


def cursor() -> CursorWrapper:
    """Open a cursor as the current role."""
    return connections[current_alias()].cursor()
