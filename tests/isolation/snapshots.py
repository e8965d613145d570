"""What a tenant's rows are, in one line, seen from inside a transaction."""

from functools import cache

from django.db import connections

from kit.orm.roles import APP

_TABLES = """
SELECT c.relname
  FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
 WHERE p.polname = 'app_own_tenant' AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1
"""


def checksum(tenant_id: int) -> str:
    """Return a checksum of all rows of a tenant, as the app role sees them now."""
    with connections[APP].cursor() as session:
        session.execute(
            "SELECT set_config('tollgate.tenant', %s, true)", [str(tenant_id)]
        )
        session.execute(_sums())
        return repr(session.fetchall())


@cache
def _sums() -> str:
    """Return the statement that sums up each table which has tenants' rows."""
    with connections[APP].cursor() as session:
        session.execute(_TABLES)
        tables = [name for (name,) in session.fetchall()]
    return " UNION ALL ".join(
        f"SELECT '{table}', md5(string_agg(t::text, '|' ORDER BY t::text))"
        f" FROM {table} t"
        for table in tables
    )
