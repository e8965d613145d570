"""A run that was asked for may begin; cases, proofs and counts are operators' alone."""

from django.db import migrations

from kit.orm.isolation import isolate

_GUARD = """
CREATE OR REPLACE FUNCTION reconciliation_ended_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- A run that was given up for dead may still come to its end.
    IF TG_OP = 'DELETE' OR OLD.state NOT IN ({begun}) THEN
        RAISE EXCEPTION 'a reconciliation run that has ended stays as it is'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
_TABLES = """reconciliation_case, reconciliation_engineprocess,
    reconciliation_enginereading, reconciliation_epochproof"""
_RIGHTS = f"""
REVOKE ALL ON {_TABLES} FROM tollgate_app;
REVOKE DELETE, TRUNCATE ON reconciliation_case, reconciliation_engineprocess,
    reconciliation_epochproof FROM tollgate_operator;
"""
_UNDO = """
GRANT DELETE ON reconciliation_case, reconciliation_engineprocess,
    reconciliation_epochproof TO tollgate_operator;
"""


class Migration(migrations.Migration):
    """Guard runs by their states, and keep tenants from what is new."""

    dependencies = [("reconciliation", "0004_cases"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(
            _GUARD.format(begun="'asked', 'running', 'crashed'"),
            _GUARD.format(begun="'running', 'crashed'"),
        ),
        isolate("reconciliation_case"),
        migrations.RunSQL(_RIGHTS, _UNDO),
    ]
