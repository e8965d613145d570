"""The end of a signed contract may be moved, but only to be earlier."""

from django.db import migrations

_GUARD = """
CREATE OR REPLACE FUNCTION pricing_contract_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.signed_at IS NOT NULL AND (
        TG_OP = 'DELETE' OR {moved} OR NEW.ended_at IS NULL
        OR to_jsonb(NEW) - 'ended_at' <> to_jsonb(OLD) - 'ended_at'
    ) THEN
        RAISE EXCEPTION 'a signed contract is immutable, but that it may end'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""


class Migration(migrations.Migration):
    """Let an end be moved earlier."""

    dependencies = [("pricing", "0007_contracts")]
    operations = [
        migrations.RunSQL(
            _GUARD.format(moved="NEW.ended_at >= OLD.ended_at"),
            _GUARD.format(moved="OLD.ended_at IS NOT NULL"),
        )
    ]
