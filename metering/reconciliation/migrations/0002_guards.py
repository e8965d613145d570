"""What was found stays found; tenants do not read it."""

from django.db import migrations

from kit.orm.isolation import append_only, isolate

_ENDED = """
CREATE FUNCTION reconciliation_ended_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A run that was given up for dead may still come to its end.
    IF TG_OP = 'DELETE' OR OLD.state NOT IN ('running', 'crashed') THEN
        RAISE EXCEPTION 'a reconciliation run that has ended stays as it is'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ended_is_fixed BEFORE UPDATE OR DELETE ON reconciliation_run
    FOR EACH ROW EXECUTE FUNCTION reconciliation_ended_guard();
REVOKE DELETE, TRUNCATE ON reconciliation_run FROM tollgate_operator;
"""
_UNDO = """
GRANT DELETE ON reconciliation_run TO tollgate_operator;
DROP TRIGGER ended_is_fixed ON reconciliation_run;
DROP FUNCTION reconciliation_ended_guard();
"""
_FOR_OPERATORS = """
REVOKE ALL ON reconciliation_run, reconciliation_difference FROM tollgate_app;
"""


class Migration(migrations.Migration):
    """Guard runs and differences."""

    dependencies = [("reconciliation", "0001_initial"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_ENDED, _UNDO),
        append_only("reconciliation_difference"),
        isolate("reconciliation_run"),
        isolate("reconciliation_difference"),
        migrations.RunSQL(_FOR_OPERATORS, migrations.RunSQL.noop),
    ]
