"""A run that has ended found what it found: nothing is added to it."""

from django.db import migrations

_GUARD = """
CREATE FUNCTION reconciliation_finding_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Locked, so that a run cannot end between this look and the commit.
    PERFORM 1 FROM reconciliation_run
        WHERE id = NEW.run_id AND state IN ('running', 'crashed') FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a reconciliation run that has ended finds nothing more'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER found_while_it_runs BEFORE INSERT ON reconciliation_difference
    FOR EACH ROW EXECUTE FUNCTION reconciliation_finding_guard();
"""
_UNDO = """
DROP TRIGGER found_while_it_runs ON reconciliation_difference;
DROP FUNCTION reconciliation_finding_guard();
"""


class Migration(migrations.Migration):
    """Guard differences against being added late."""

    dependencies = [("reconciliation", "0002_guards")]
    operations = [migrations.RunSQL(_GUARD, _UNDO)]
