"""A top-up goes one way, and what it was asked for never changes."""

from django.db import migrations

from kit.orm.isolation import isolate

_GUARD = """
CREATE FUNCTION topups_topup_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (
        OLD.id, OLD.tenant_id, OLD.amount_minor, OLD.currency, OLD.by_rule,
        OLD.asked_at, OLD.created_at
    ) IS DISTINCT FROM (
        NEW.id, NEW.tenant_id, NEW.amount_minor, NEW.currency, NEW.by_rule,
        NEW.asked_at, NEW.created_at
    ) OR OLD.grant_id IS NOT NULL
        OR OLD.invoice_id IS DISTINCT FROM NEW.invoice_id AND OLD.state <> 'due'
        OR NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
            ('due', 'invoiced'), ('due', 'cancelled'), ('invoiced', 'paid'),
            ('invoiced', 'failed'), ('failed', 'paid')
        )
    THEN
        RAISE EXCEPTION 'a top-up only goes on to what comes next'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON topups_topup
    FOR EACH ROW EXECUTE FUNCTION topups_topup_guard();
REVOKE DELETE, TRUNCATE ON topups_topup FROM tollgate_operator;
"""
_UNGUARD = """
DROP TRIGGER guarded ON topups_topup;
DROP FUNCTION topups_topup_guard();
"""


class Migration(migrations.Migration):
    """Keep tenants apart, and top-ups as they were asked for."""

    dependencies = [("topups", "0001_topups"), ("config", "0001_roles")]
    operations = [
        isolate("topups_topup"),
        isolate("topups_topuprule"),
        migrations.RunSQL(_GUARD, _UNGUARD),
    ]
