"""Tenants see their own periods and invoices; provider operations are the operators'."""

from django.db import migrations

from kit.orm.isolation import isolate

_LINES = """
CREATE FUNCTION billing_issued_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM billing_invoice
        WHERE id IN (OLD.invoice_id, NEW.invoice_id) AND number IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'lines of an issued invoice are immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER issued_is_immutable BEFORE INSERT OR UPDATE OR DELETE ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION billing_issued_guard();

CREATE FUNCTION billing_number_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.number IS NOT NULL AND (
        TG_OP = 'DELETE'
        OR NEW.number IS DISTINCT FROM OLD.number
        OR NEW.amount_minor <> OLD.amount_minor
        OR NEW.exact_picos <> OLD.exact_picos
        OR NEW.lines_sha256 <> OLD.lines_sha256
    ) THEN
        RAISE EXCEPTION 'an issued invoice keeps its number and amounts'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER issued_is_immutable BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_number_guard();
"""
_UNDO = """
DROP TRIGGER issued_is_immutable ON billing_invoice;
DROP FUNCTION billing_number_guard();
DROP TRIGGER issued_is_immutable ON billing_invoiceline;
DROP FUNCTION billing_issued_guard();
"""


class Migration(migrations.Migration):
    """Guard invoices."""

    dependencies = [("billing", "0001_initial"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_LINES, _UNDO),
        isolate("billing_period"),
        isolate("billing_invoice"),
        isolate("billing_invoiceline"),
        isolate("billing_claimedposting"),
        isolate("billing_providercustomer"),
        isolate("billing_provideroperation"),
        migrations.RunSQL(
            "REVOKE ALL ON billing_provideroperation FROM tollgate_app",
            "GRANT SELECT ON billing_provideroperation TO tollgate_app",
        ),
    ]
