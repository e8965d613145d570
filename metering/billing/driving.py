"""Who drives: one process at a time talks to a provider about a tenant.

A turn is taken or not, at once: who does not get it has nothing to do, since the holder
does all there is, and the next scan looks again.

Failure: a turn lives in a transaction of a connection of its own, so that the outbox
can commit under it, a pooler does not matter, and a process that is killed holds
nothing back. Should that connection fail, two drivers are still kept apart by their
common idempotency keys.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from django.db import connections

from kit.orm.roles import current_alias


def sole_driver(*, provider: str, tenant_id: int) -> AbstractContextManager[bool]:
    """Take the turn to talk to a provider about a tenant; False when another has it."""
    return _turn(f"billing:{provider}:{tenant_id}")


def sole_scan() -> AbstractContextManager[bool]:
    """Take the turn to look for what is to be driven; False when another has it."""
    return _turn("billing:scan")


@contextmanager
def _turn(name: str) -> Iterator[bool]:
    connection = connections.create_connection(current_alias())
    try:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            # The calls in between take as long as they take.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name]
            )
            [(taken,)] = cursor.fetchall()
        try:
            yield bool(taken)
        finally:
            # Without it the server would see a moment later that the turn is over.
            connection.rollback()
    finally:
        connection.close()
