"""Which database role a piece of Django code runs as.

There are two connections: `default` logs in as the *app* role, whose rows are limited
by policy to one tenant, and `operator` sees every tenant. Code starts as *app* with no
tenant set, which sees nothing; it becomes more only inside `as_tenant` or
`as_operator`. Migrations use a third alias, `owner`, which no service holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connections, transaction

APP, OPERATOR, OWNER = "default", "operator", "owner"

_alias: ContextVar[str] = ContextVar("database_alias", default=APP)


@contextmanager
def as_operator() -> Iterator[None]:
    """Run the block as the operator role, which sees every tenant."""
    token = _alias.set(OPERATOR)
    try:
        yield
    finally:
        _alias.reset(token)


@contextmanager
def as_tenant(tenant_id: int, *, is_still: bool = False) -> Iterator[None]:
    """Run the block in one transaction that sees only this tenant's rows.

    If it `is_still`, all of it sees them as of one moment, unless a transaction around
    it has begun already.
    """
    token = _alias.set(APP)
    is_first = is_still and not connections[APP].in_atomic_block
    try:
        with transaction.atomic(using=APP):
            with connections[APP].cursor() as cursor:
                if is_first:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute(
                    "SELECT set_config('tollgate.tenant', %s, true)", [str(tenant_id)]
                )
            yield
    finally:
        _alias.reset(token)


def current_alias() -> str:
    """Return the connection alias of the role in force."""
    return _alias.get()


class RoleRouter:
    """Send queries to the connection of the role in force; migrate only as owner."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Read as the role in force."""
        return _alias.get()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Write as the role in force."""
        return _alias.get()

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        """Allow any: both aliases are one database."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Allow the owner alone."""
        return db == OWNER
