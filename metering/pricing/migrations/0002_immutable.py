"""A published version and its prices never change; gateways and tenants may read prices."""

from django.db import migrations

from kit.orm.isolation import grant, isolate, open_to_gateway

_IMMUTABLE = """
CREATE FUNCTION pricing_version_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published_at IS NOT NULL THEN
        RAISE EXCEPTION 'a published price book version is immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_is_immutable BEFORE UPDATE OR DELETE ON pricing_pricebookversion
    FOR EACH ROW EXECUTE FUNCTION pricing_version_guard();

CREATE FUNCTION pricing_price_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched bigint[];
BEGIN
    touched := CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.version_id]
        WHEN 'DELETE' THEN ARRAY[OLD.version_id]
        ELSE ARRAY[OLD.version_id, NEW.version_id] END;
    PERFORM FROM pricing_pricebookversion
        WHERE id = ANY (touched) AND published_at IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'prices of a published version are immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_is_immutable BEFORE INSERT OR UPDATE OR DELETE ON pricing_price
    FOR EACH ROW EXECUTE FUNCTION pricing_price_guard();
"""
_UNDO = """
DROP TRIGGER published_is_immutable ON pricing_price;
DROP FUNCTION pricing_price_guard();
DROP TRIGGER published_is_immutable ON pricing_pricebookversion;
DROP FUNCTION pricing_version_guard();
"""


class Migration(migrations.Migration):
    """Guard what was published."""

    dependencies = [("pricing", "0001_initial"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_IMMUTABLE, _UNDO),
        *(
            grant(table, to="tollgate_gateway", privileges="SELECT")
            for table in (
                "pricing_pricebook",
                "pricing_pricebookversion",
                "pricing_price",
            )
        ),
        isolate("pricing_pricebookassignment"),
        open_to_gateway("pricing_pricebookassignment", privileges="SELECT"),
    ]
