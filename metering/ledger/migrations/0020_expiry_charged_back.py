"""What expired of a grant is earned no more, once its money is charged back."""

from django.db import migrations

_GUARD = """
CREATE OR REPLACE FUNCTION ledger_creditgrant_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (
        OLD.id, OLD.tenant_id, OLD.source, OLD.amount_picos, OLD.currency, OLD.priority,
        OLD.expires_at, OLD.reference, OLD.created_at, OLD.for_models
    ) IS DISTINCT FROM (
        NEW.id, NEW.tenant_id, NEW.source, NEW.amount_picos, NEW.currency, NEW.priority,
        NEW.expires_at, NEW.reference, NEW.created_at, NEW.for_models
    ) OR NEW.reversed_picos < OLD.reversed_picos OR OLD.expired_at IS NOT NULL
        AND ({ended})
    THEN
        RAISE EXCEPTION 'a credit grant changes only by what burns and ends it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
# As 0010 has it.
_BEFORE = """(OLD.expired_at, OLD.expired_picos)
            IS DISTINCT FROM (NEW.expired_at, NEW.expired_picos)"""
_NOW = """OLD.expired_at IS DISTINCT FROM NEW.expired_at
            OR NEW.expired_picos > OLD.expired_picos
            OR OLD.expired_picos - NEW.expired_picos
                > NEW.reversed_picos - OLD.reversed_picos"""


class Migration(migrations.Migration):
    """Let what expired become less by what is taken back."""

    dependencies = [("ledger", "0019_locked_figures")]
    operations = [
        migrations.RunSQL(_GUARD.format(ended=_NOW), _GUARD.format(ended=_BEFORE)),
    ]
