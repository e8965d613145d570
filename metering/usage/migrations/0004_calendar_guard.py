"""A billing day never changes, and one that has begun is never taken back."""

from django.db import migrations

_GUARD = """
CREATE FUNCTION usage_billingday_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' OR OLD.starts_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'billing day % of tenant % is fixed', OLD.date, OLD.tenant_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER begun_is_fixed BEFORE UPDATE OR DELETE ON usage_billingday
    FOR EACH ROW EXECUTE FUNCTION usage_billingday_guard();
"""
_UNDO = """
DROP TRIGGER begun_is_fixed ON usage_billingday;
DROP FUNCTION usage_billingday_guard();
"""


class Migration(migrations.Migration):
    """Guard the calendar."""

    dependencies = [("usage", "0003_changed_days")]
    operations = [migrations.RunSQL(_GUARD, _UNDO)]
