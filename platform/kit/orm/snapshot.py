"""Read several things as of one moment.

Failure: none of its own; a write inside the block is refused by PostgreSQL.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from kit.orm.atomic import atomic, cursor
from kit.orm.roles import current_alias


@contextmanager
def snapshot() -> Iterator[None]:
    """Let every read of the block see the same instant of the database.

    Inside a transaction that has already begun, the block is as consistent as that one
    is.
    """
    begun = connections[current_alias()].in_atomic_block
    with atomic():
        if not begun:
            with cursor() as session:
                session.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
        yield
