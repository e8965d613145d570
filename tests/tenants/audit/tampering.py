"""Edit an audit as its worst enemy may: as a superuser, with the triggers off."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.databases import Database

COPY = """
INSERT INTO tenants_auditentry (id, chain, seq, tenant_id, at, actor_kind, actor_id,
    member_id, request_id, action, object_kind, object_id, before, after,
    detail_digest, previous, digest)
SELECT nextval(pg_get_serial_sequence('tenants_auditentry', 'id')), chain, %(to)s,
    tenant_id, at, actor_kind, actor_id, member_id, request_id, action, object_kind,
    object_id, before, after, detail_digest, previous, digest
  FROM tenants_auditentry WHERE chain = %(chain)s AND seq = %(seq)s
"""


@contextmanager
def superuser(database: Database) -> Iterator[psycopg.Connection]:
    """Connect as whom no right and no trigger stops; commit at the end."""
    parts = urlsplit(database.server)
    address = urlunsplit(parts._replace(path=f"/{database.name}"))
    with psycopg.connect(address) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection
