"""Migration operations that give roles their rights and keep tenants apart.

Row-level security is enabled, not forced: the owner runs data migrations and must see
every row, and no service logs in as owner. The app role sees the tenant named by the
transaction's `tollgate.tenant`; without it, no row. Never grant on a partition:
policies of the parent do not guard it.
"""

from django.db.migrations.operations import RunSQL

ROLES = ("tollgate_app", "tollgate_operator", "tollgate_gateway")


def isolate(table: str, *, column: str = "tenant_id", app: str = "SELECT") -> RunSQL:
    """Limit the app role to its tenant's rows of `table`, with the `app` privileges."""
    mine = f"{column} = nullif(current_setting('tollgate.tenant', true), '')::bigint"
    return RunSQL(
        sql=f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            CREATE POLICY app_own_tenant ON {table} TO tollgate_app
                USING ({mine}) WITH CHECK ({mine});
            CREATE POLICY operator_all ON {table} TO tollgate_operator
                USING (true) WITH CHECK (true);
            GRANT {app} ON {table} TO tollgate_app;
        """,
        reverse_sql=f"""
            REVOKE ALL ON {table} FROM tollgate_app;
            DROP POLICY operator_all ON {table};
            DROP POLICY app_own_tenant ON {table};
            ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """,
    )


def grant(table: str, *, to: str, privileges: str) -> RunSQL:
    """Grant privileges on a table, e.g. `SELECT (id, name)`."""
    return RunSQL(
        sql=f"GRANT {privileges} ON {table} TO {to}",
        reverse_sql=f"REVOKE {privileges} ON {table} FROM {to}",
    )


def open_to_gateway(table: str, *, privileges: str) -> RunSQL:
    """Let the gateway role see every row of an isolated table, with these rights."""
    return RunSQL(
        sql=f"""
            CREATE POLICY gateway_all ON {table} TO tollgate_gateway
                USING (true) WITH CHECK (true);
            GRANT {privileges} ON {table} TO tollgate_gateway;
        """,
        reverse_sql=f"""
            REVOKE {privileges} ON {table} FROM tollgate_gateway;
            DROP POLICY gateway_all ON {table};
        """,
    )


def tied_to(table: str) -> RunSQL:
    """Let rows of a tenant's table be referred to with their tenant: see `tie`."""
    name = f"{table}_of_tenant"
    return RunSQL(
        sql=f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE (tenant_id, id)",
        reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def tie(table: str, column: str, parent: str) -> RunSQL:
    """Hold what a row of `table` refers to by `column` to the row's own tenant.

    PostgreSQL follows references past every policy: without this a tenant's row could
    be one of another tenant's project. Rows of no tenant are not held.
    """
    name = f"{table}_{column}_same_tenant"
    return RunSQL(
        sql=f"""
            ALTER TABLE {table} ADD CONSTRAINT {name}
                FOREIGN KEY (tenant_id, {column}) REFERENCES {parent} (tenant_id, id)
        """,
        reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def append_only(table: str) -> RunSQL:
    """Refuse UPDATE, DELETE and TRUNCATE on a table, by grant and by trigger."""
    return RunSQL(
        sql=f"""
            CREATE FUNCTION {table}_is_append_only() RETURNS trigger
            LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '{table} is append-only'
                    USING ERRCODE = 'restrict_violation';
            END $$;
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only();
            CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only();
            REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM tollgate_operator;
        """,
        reverse_sql=f"""
            DROP TRIGGER append_only_truncate ON {table};
            DROP TRIGGER append_only ON {table};
            DROP FUNCTION {table}_is_append_only();
        """,
    )
