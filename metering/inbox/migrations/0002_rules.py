"""What came stays as it came; only what was seen through is ever deleted."""

from django.db import migrations

_GUARD = """
CREATE FUNCTION inbox_event_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state IN ('done', 'ignored') THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'an event that was not seen through stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.account, NEW.event_id, NEW.type, NEW.object_id, NEW.api_version,
        NEW.occurred_at, NEW.received_at)
        IS DISTINCT FROM (OLD.account, OLD.event_id, OLD.type, OLD.object_id,
        OLD.api_version, OLD.occurred_at, OLD.received_at)
    THEN
        RAISE EXCEPTION 'an event stays as it came'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state IN ('done', 'ignored') THEN
        RAISE EXCEPTION 'an event that was seen through stays so'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON inbox_webhookevent
    FOR EACH ROW EXECUTE FUNCTION inbox_event_guard();
REVOKE TRUNCATE ON inbox_webhookevent FROM tollgate_operator;
REVOKE DELETE, TRUNCATE ON inbox_progress FROM tollgate_operator;
"""
_UNDO = """
DROP TRIGGER guarded ON inbox_webhookevent;
DROP FUNCTION inbox_event_guard();
"""


class Migration(migrations.Migration):
    """Guard the events."""

    dependencies = [("inbox", "0001_events"), ("config", "0001_roles")]
    operations = [migrations.RunSQL(_GUARD, _UNDO)]
