"""What happened stays as it was written; tenants see their own, but for the counter."""

from django.db import migrations

from kit.orm.isolation import append_only, isolate

_FACTS = (
    "receivables_payment",
    "receivables_refund",
    "receivables_writeoff",
    "receivables_creditnote",
    "receivables_creditnoteline",
)
_HOLDS = """
CREATE FUNCTION receivables_hold_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.ended_at IS NULL THEN
        OLD.ended_at := NEW.ended_at;
        IF OLD IS NOT DISTINCT FROM NEW THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a hold changes only by its end'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON receivables_hold
    FOR EACH ROW EXECUTE FUNCTION receivables_hold_guard();
REVOKE DELETE, TRUNCATE ON receivables_hold FROM tollgate_operator;
REVOKE DELETE, TRUNCATE ON receivables_dunningstep FROM tollgate_operator;
REVOKE DELETE, TRUNCATE ON receivables_notecounter FROM tollgate_operator;
"""
_UNDO = """
DROP TRIGGER guarded ON receivables_hold;
DROP FUNCTION receivables_hold_guard();
"""


class Migration(migrations.Migration):
    """Guard the facts."""

    dependencies = [("receivables", "0001_receivables"), ("config", "0001_roles")]
    operations = [
        *(append_only(table) for table in _FACTS),
        migrations.RunSQL(_HOLDS, _UNDO),
        *(isolate(table) for table in _FACTS),
        isolate("receivables_hold"),
        isolate("receivables_dunningstep"),
    ]
