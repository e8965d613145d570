"""A top-up that is paid first goes on when its payment is under way, or came in late.

Tenants may ask for one; what they write is one that is due, and nothing further.
"""

from django.db import migrations

from kit.orm.isolation import grant

_GUARD = """
CREATE OR REPLACE FUNCTION topups_topup_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (
        OLD.id, OLD.tenant_id, OLD.amount_minor, OLD.currency, OLD.by_rule, OLD.way,
        OLD.asked_at, OLD.created_at
    ) IS DISTINCT FROM (
        NEW.id, NEW.tenant_id, NEW.amount_minor, NEW.currency, NEW.by_rule, NEW.way,
        NEW.asked_at, NEW.created_at
    ) OR OLD.grant_id IS NOT NULL
        OR OLD.invoice_id IS DISTINCT FROM NEW.invoice_id
            AND (OLD.invoice_id IS NOT NULL OR OLD.way = 'invoice' AND OLD.state <> 'due')
        OR NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
            ('due', 'invoiced'), ('due', 'cancelled'), ('invoiced', 'paid'),
            ('invoiced', 'failed'), ('failed', 'paid')
        ) AND (OLD.way = 'invoice' OR (OLD.state, NEW.state) NOT IN (
            ('due', 'pending'), ('due', 'failed'), ('pending', 'paid'),
            ('pending', 'failed'), ('pending', 'cancelled'), ('cancelled', 'paid')
        ))
    THEN
        RAISE EXCEPTION 'a top-up only goes on to what comes next'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION topups_topup_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'due' OR NEW.invoice_id IS NOT NULL OR NEW.grant_id IS NOT NULL THEN
        RAISE EXCEPTION 'a top-up begins as one that is due'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER begins BEFORE INSERT ON topups_topup
    FOR EACH ROW EXECUTE FUNCTION topups_topup_begins();
"""
_UNGUARD = """
DROP TRIGGER begins ON topups_topup;
DROP FUNCTION topups_topup_begins();
CREATE OR REPLACE FUNCTION topups_topup_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""


class Migration(migrations.Migration):
    """Guard what is paid first."""

    dependencies = [("topups", "0003_paid_first"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_GUARD, _UNGUARD),
        grant("topups_topup", to="tollgate_app", privileges="INSERT"),
    ]
