"""Two of a kind never hold at once, and what a row says stays but for its end."""

from django.db import migrations

from kit.orm.isolation import isolate

# Of one name and place a rate at a time. What a place is called is compared by its
# hash: a GiST index has ranges of numbers without any extension.
_RATES = """
ALTER TABLE taxes_taxrate ADD CONSTRAINT tax_rate_one_at_a_time EXCLUDE USING gist (
    int8range(
        hashtextextended(name || chr(31) || country || chr(31) || region, 0),
        hashtextextended(name || chr(31) || country || chr(31) || region, 0), '[]'
    ) WITH &&,
    tstzrange(starts_at, ends_at) WITH &&
);
"""
_TREATMENTS = """
ALTER TABLE taxes_taxtreatment ADD CONSTRAINT tax_treatment_one_at_a_time
EXCLUDE USING gist (
    int8range(tenant_id, tenant_id, '[]') WITH &&,
    tstzrange(starts_at, ends_at) WITH &&
);
"""


def _guard(table: str) -> migrations.RunSQL:
    """Let a row of a table be ended once, and changed by nothing else."""
    return migrations.RunSQL(
        sql=f"""
            CREATE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'UPDATE' AND OLD.ends_at IS NULL THEN
                    OLD.ends_at := NEW.ends_at;
                    IF OLD IS NOT DISTINCT FROM NEW THEN
                        RETURN NEW;
                    END IF;
                END IF;
                RAISE EXCEPTION 'a row of {table} changes only by its end'
                    USING ERRCODE = 'restrict_violation';
            END $$;
            CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION {table}_guard();
            REVOKE DELETE, TRUNCATE ON {table} FROM tollgate_operator;
        """,
        reverse_sql=f"""
            DROP TRIGGER guarded ON {table};
            DROP FUNCTION {table}_guard();
        """,
    )


class Migration(migrations.Migration):
    """Guard what taxes were and are."""

    dependencies = [("taxes", "0001_taxes"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(
            _RATES,
            "ALTER TABLE taxes_taxrate DROP CONSTRAINT tax_rate_one_at_a_time",
        ),
        migrations.RunSQL(
            _TREATMENTS,
            "ALTER TABLE taxes_taxtreatment DROP CONSTRAINT tax_treatment_one_at_a_time",
        ),
        _guard("taxes_taxrate"),
        _guard("taxes_taxtreatment"),
        isolate("taxes_taxtreatment"),
    ]
