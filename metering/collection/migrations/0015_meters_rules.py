"""Tenants see what was told of them; what an event says never changes."""

from django.db import migrations

from kit.orm.isolation import isolate

_GUARD = """
CREATE FUNCTION collection_meter_event_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.tenant_id, NEW.account, NEW.counted, NEW.hour, NEW.seq, NEW.quantity,
            NEW.identifier, NEW.event_name)
        IS DISTINCT FROM (OLD.tenant_id, OLD.account, OLD.counted, OLD.hour, OLD.seq,
            OLD.quantity, OLD.identifier, OLD.event_name)
    THEN
        RAISE EXCEPTION 'what a meter is told never changes'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarded BEFORE UPDATE ON collection_meterevent
    FOR EACH ROW EXECUTE FUNCTION collection_meter_event_guard();
REVOKE TRUNCATE ON collection_meterevent FROM tollgate_operator;
REVOKE DELETE, TRUNCATE ON collection_meterprogress FROM tollgate_operator;
"""
_UNDO = """
DROP TRIGGER guarded ON collection_meterevent;
DROP FUNCTION collection_meter_event_guard();
"""


class Migration(migrations.Migration):
    """Keep tenants apart, and events as they are."""

    dependencies = [("collection", "0014_meters"), ("config", "0001_roles")]
    operations = [
        isolate("collection_meterevent"),
        isolate("collection_meterdifference"),
        migrations.RunSQL(_GUARD, _UNDO),
    ]
