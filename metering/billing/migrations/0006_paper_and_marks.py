"""Guard what the new fields say, and let tenants read and write who they are."""

from django.db import migrations

from kit.orm.isolation import grant, isolate

_GUARD = """
CREATE OR REPLACE FUNCTION billing_number_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changing text[] := ARRAY[{changing}];
BEGIN
    IF OLD.number IS NOT NULL AND (
        TG_OP = 'DELETE'
        OR to_jsonb(NEW) - changing IS DISTINCT FROM to_jsonb(OLD) - changing
    ) THEN
        RAISE EXCEPTION 'an issued invoice keeps what it says'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""
_BEFORE = "'state', 'provider_reference', 'hosted_url', 'problem'"
_AFTER = f"{_BEFORE}, 'paid_minor', 'credited_minor', 'written_off_minor'"

# Of what was invoiced before there was tax, the whole is the subtotal.
_SUBTOTALS = "UPDATE billing_invoice SET subtotal_minor = amount_minor"

# What follows an invoice's marks begins where they end; the first of a tenant has no
# beginning, and so refers to none.
_CHAIN = """
ALTER TABLE billing_invoice ADD CONSTRAINT invoice_marks_follow
    FOREIGN KEY (tenant_id, days_from, posted_from)
    REFERENCES billing_invoice (tenant_id, days_to, posted_to)
"""


class Migration(migrations.Migration):
    """Fill, then guard."""

    dependencies = [
        ("billing", "0005_lines_of_every_kind"),
        ("config", "0001_roles"),
    ]
    operations = [
        migrations.RunSQL(
            _GUARD.format(changing=f"{_AFTER}, 'subtotal_minor'"),
            _GUARD.format(changing=_BEFORE),
        ),
        migrations.RunSQL(_SUBTOTALS, migrations.RunSQL.noop),
        migrations.RunSQL(_GUARD.format(changing=_AFTER), migrations.RunSQL.noop),
        migrations.RunSQL(
            _CHAIN, "ALTER TABLE billing_invoice DROP CONSTRAINT invoice_marks_follow"
        ),
        isolate("billing_billingprofile", app="SELECT, INSERT, UPDATE"),
        grant(
            "billing_seller",
            to="tollgate_app",
            privileges=(
                "SELECT (address, country, tax_id, email, bank_details, footer)"
            ),
        ),
    ]
