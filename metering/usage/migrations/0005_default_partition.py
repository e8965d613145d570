"""Let operators see whether events fell into the default partition, and nothing more of it."""

from django.db import migrations

_LOOK = """
CREATE FUNCTION usage_default_partition_holds_events() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM usage_event_default)
$$;
REVOKE ALL ON FUNCTION usage_default_partition_holds_events() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_default_partition_holds_events() TO tollgate_operator;
"""
_UNDO = "DROP FUNCTION usage_default_partition_holds_events()"


class Migration(migrations.Migration):
    """Make the alarm's eye."""

    dependencies = [("usage", "0004_calendar_guard")]
    operations = [migrations.RunSQL(_LOOK, _UNDO)]
