"""Published plan versions never change, subscriptions never overlap, tenants see theirs."""

from django.db import migrations

from kit.orm.isolation import isolate

_PUBLISHED = """
CREATE FUNCTION subscriptions_version_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published_at IS NOT NULL THEN
        RAISE EXCEPTION 'a published plan version is immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.published_at IS NOT NULL AND EXISTS (
        SELECT FROM subscriptions_plancomponent one
        JOIN subscriptions_plancomponent other
            ON other.version_id = one.version_id AND other.id > one.id
            AND other.meter = one.meter
        WHERE one.version_id = NEW.id
            AND (one.meter <> 'tokens' OR one.token_classes && other.token_classes)
            AND (one.served_models = '{}' OR other.served_models = '{}'
                OR one.served_models && other.served_models)
    ) THEN
        RAISE EXCEPTION 'two components of plan version % count the same use', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_is_immutable BEFORE UPDATE OR DELETE
    ON subscriptions_planversion
    FOR EACH ROW EXECUTE FUNCTION subscriptions_version_guard();

CREATE FUNCTION subscriptions_part_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched bigint[];
BEGIN
    touched := CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.version_id]
        WHEN 'DELETE' THEN ARRAY[OLD.version_id]
        ELSE ARRAY[OLD.version_id, NEW.version_id] END;
    PERFORM FROM subscriptions_planversion
        WHERE id = ANY (touched) AND published_at IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'what a published plan version lists is immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_is_immutable BEFORE INSERT OR UPDATE OR DELETE
    ON subscriptions_plancomponent
    FOR EACH ROW EXECUTE FUNCTION subscriptions_part_guard();
CREATE TRIGGER published_is_immutable BEFORE INSERT OR UPDATE OR DELETE
    ON subscriptions_plandiscount
    FOR EACH ROW EXECUTE FUNCTION subscriptions_part_guard();
"""
_UNPUBLISHED = """
DROP TRIGGER published_is_immutable ON subscriptions_plandiscount;
DROP TRIGGER published_is_immutable ON subscriptions_plancomponent;
DROP FUNCTION subscriptions_part_guard();
DROP TRIGGER published_is_immutable ON subscriptions_planversion;
DROP FUNCTION subscriptions_version_guard();
"""
# A subscription that was ended before its first day holds no day, and meets nobody.
# The range of one tenant does without an extension that compares plain numbers.
_SUBSCRIBED = """
ALTER TABLE subscriptions_subscription ADD CONSTRAINT subscription_one_at_a_time
    EXCLUDE USING gist (
        int8range(tenant_id, tenant_id, '[]') WITH &&,
        daterange(starts_on, ends_on) WITH &&
    );
CREATE FUNCTION subscriptions_subscription_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM subscriptions_planversion
            WHERE id = NEW.version_id AND published_at IS NOT NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'plan version % is not published', NEW.version_id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE'
        AND (NEW.id, NEW.tenant_id, NEW.version_id, NEW.starts_on, NEW.agreed_at)
            = (OLD.id, OLD.tenant_id, OLD.version_id, OLD.starts_on, OLD.agreed_at)
        AND NEW.ends_on IS NOT NULL
        AND (OLD.ends_on IS NULL OR NEW.ends_on < OLD.ends_on)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'of a subscription only its end can be agreed, or moved earlier'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER only_ends BEFORE INSERT OR UPDATE OR DELETE
    ON subscriptions_subscription
    FOR EACH ROW EXECUTE FUNCTION subscriptions_subscription_guard();
REVOKE DELETE, TRUNCATE ON subscriptions_subscription FROM tollgate_operator;
REVOKE TRUNCATE ON subscriptions_planversion, subscriptions_plancomponent,
    subscriptions_plandiscount FROM tollgate_operator;
"""
_UNSUBSCRIBED = """
DROP TRIGGER only_ends ON subscriptions_subscription;
DROP FUNCTION subscriptions_subscription_guard();
ALTER TABLE subscriptions_subscription DROP CONSTRAINT subscription_one_at_a_time;
"""


def _see_subscribed(table: str, column: str) -> migrations.RunSQL:
    """Let tenants read the versions that they subscribed to, and no other."""
    mine = f"""
        {column} IN (
            SELECT version_id FROM subscriptions_subscription
             WHERE tenant_id
                = nullif(current_setting('tollgate.tenant', true), '')::bigint
        )
    """  # noqa: S608 - names of ours
    return migrations.RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        CREATE POLICY app_subscribed ON {table} FOR SELECT TO tollgate_app
            USING ({mine});
        CREATE POLICY operator_all ON {table} TO tollgate_operator
            USING (true) WITH CHECK (true);
        GRANT SELECT ON {table} TO tollgate_app;
        """,
        f"""
        REVOKE ALL ON {table} FROM tollgate_app;
        DROP POLICY operator_all ON {table};
        DROP POLICY app_subscribed ON {table};
        ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """,
    )


class Migration(migrations.Migration):
    """Hold the rules where nobody can pass them by."""

    dependencies = [("subscriptions", "0001_initial"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_PUBLISHED, _UNPUBLISHED),
        migrations.RunSQL(_SUBSCRIBED, _UNSUBSCRIBED),
        isolate("subscriptions_subscription"),
        _see_subscribed("subscriptions_planversion", "id"),
        _see_subscribed("subscriptions_plancomponent", "version_id"),
        _see_subscribed("subscriptions_plandiscount", "version_id"),
    ]
