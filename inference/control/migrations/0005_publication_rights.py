"""Tenants publish their own keys, and can neither forge an entry nor upset the order.

A tenant reads its own entries and writes those of its keys: with itself as the tenant,
under the version whose turn it is. What a tenant is, suspended or not, only operators
say. Versions go up one by one, whoever writes: a gateway that had seen a higher one
would never look at what comes below it.
"""

from django.db import migrations

from kit.orm.isolation import grant, isolate

_OWN_KEY = """
kind = 'api_key'
AND (body IS NULL OR (body ->> 'tenant_id')::bigint = tenant_id)
AND version = (SELECT version + 1 FROM control_publicationversion WHERE id = 1)
"""

_KEYS_ONLY = migrations.RunSQL(
    f"""
    CREATE POLICY app_inserts_keys ON control_publication AS RESTRICTIVE
        FOR INSERT TO tollgate_app WITH CHECK ({_OWN_KEY});
    CREATE POLICY app_updates_keys ON control_publication AS RESTRICTIVE
        FOR UPDATE TO tollgate_app USING (kind = 'api_key') WITH CHECK ({_OWN_KEY});
    """,
    """
    DROP POLICY app_inserts_keys ON control_publication;
    DROP POLICY app_updates_keys ON control_publication;
    """,
)

_GATEWAYS_READ_ALL = migrations.RunSQL(
    """
    CREATE POLICY gateway_all ON control_publication FOR SELECT TO tollgate_gateway
        USING (true);
    """,
    "DROP POLICY gateway_all ON control_publication",
)

_ONE_BY_ONE = migrations.RunSQL(
    """
    CREATE FUNCTION control_version_goes_up_by_one() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.version <> OLD.version + 1 OR NEW.id <> OLD.id THEN
            RAISE EXCEPTION 'versions of publications go up one by one'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER goes_up_by_one BEFORE UPDATE ON control_publicationversion
        FOR EACH ROW EXECUTE FUNCTION control_version_goes_up_by_one();
    """,
    """
    DROP TRIGGER goes_up_by_one ON control_publicationversion;
    DROP FUNCTION control_version_goes_up_by_one();
    """,
)


class Migration(migrations.Migration):
    """Isolate the entries, grant, and hold the order in the database."""

    dependencies = [("control", "0004_publication_tenant"), ("config", "0001_roles")]
    operations = [
        isolate("control_publication", app="SELECT, INSERT, UPDATE (version, body)"),
        _KEYS_ONLY,
        _GATEWAYS_READ_ALL,
        # Locking the row takes the right to change it.
        grant(
            "control_publicationversion",
            to="tollgate_app",
            privileges="SELECT, UPDATE (version)",
        ),
        _ONE_BY_ONE,
    ]
