"""Let usage be rated anew by prices that are never in force.

Like a published version, a corrective one and its prices never change: it is written as
a draft and sealed in the same transaction.
"""

from django.db import migrations, models

_GUARDS = """
CREATE OR REPLACE FUNCTION pricing_version_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published_at IS NOT NULL{version} THEN
        RAISE EXCEPTION 'a published price book version is immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE OR REPLACE FUNCTION pricing_price_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched bigint[];
BEGIN
    touched := CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.version_id]
        WHEN 'DELETE' THEN ARRAY[OLD.version_id]
        ELSE ARRAY[OLD.version_id, NEW.version_id] END;
    PERFORM FROM pricing_pricebookversion
        WHERE id = ANY (touched) AND (published_at IS NOT NULL{price});
    IF FOUND THEN
        RAISE EXCEPTION 'prices of a published version are immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""
_SEALED = _GUARDS.format(version=" OR OLD.is_corrective", price=" OR is_corrective")
_BEFORE = _GUARDS.format(version="", price="")


class Migration(migrations.Migration):
    """Mark corrective versions and guard them."""

    dependencies = [("pricing", "0003_tenant_reads")]
    operations = [
        migrations.AddField(
            model_name="pricebookversion",
            name="is_corrective",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddConstraint(
            model_name="pricebookversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_corrective", False))
                | models.Q(("published_at__isnull", True)),
                name="corrective_version_is_never_in_force",
            ),
        ),
        migrations.RunSQL(_SEALED, _BEFORE),
    ]
