"""What a purchase asks for never changes once it is quoted, and what is paid stays."""

from django.db import migrations

from kit.orm.isolation import grant, isolate, tie, tied_to

_GUARD = """
CREATE FUNCTION collection_purchase_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (
        OLD.id, OLD.public_id, OLD.tenant_id, OLD.top_up_id, OLD.way, OLD.account,
        OLD.currency, OLD.asked_at, OLD.created_at
    ) IS DISTINCT FROM (
        NEW.id, NEW.public_id, NEW.tenant_id, NEW.top_up_id, NEW.way, NEW.account,
        NEW.currency, NEW.asked_at, NEW.created_at
    ) OR OLD.quoted_at IS NOT NULL AND (
        OLD.subtotal_minor, OLD.tax_minor, OLD.total_minor, OLD.basis,
        OLD.lines_sha256, OLD.customer, OLD.quoted_at
    ) IS DISTINCT FROM (
        NEW.subtotal_minor, NEW.tax_minor, NEW.total_minor, NEW.basis,
        NEW.lines_sha256, NEW.customer, NEW.quoted_at
    ) OR NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('asked', 'quoted'), ('asked', 'failed'), ('asked', 'cancelled'),
        ('quoted', 'open'), ('quoted', 'paid'), ('quoted', 'failed'),
        ('quoted', 'cancelled'), ('open', 'paid'), ('open', 'failed'),
        ('open', 'cancelled'), ('failed', 'paid'), ('cancelled', 'paid')
    )
    THEN
        RAISE EXCEPTION 'a purchase only goes on to what comes next'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON collection_purchase
    FOR EACH ROW EXECUTE FUNCTION collection_purchase_guard();
CREATE FUNCTION collection_purchase_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'asked' OR NEW.quoted_at IS NOT NULL THEN
        RAISE EXCEPTION 'a purchase begins as one that is asked for'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER begins BEFORE INSERT ON collection_purchase
    FOR EACH ROW EXECUTE FUNCTION collection_purchase_begins();
REVOKE DELETE, TRUNCATE ON collection_purchase FROM tollgate_operator;
"""
_UNGUARD = """
DROP TRIGGER begins ON collection_purchase;
DROP FUNCTION collection_purchase_begins();
DROP TRIGGER guarded ON collection_purchase;
DROP FUNCTION collection_purchase_guard();
"""


class Migration(migrations.Migration):
    """Keep tenants apart, and purchases as they were quoted."""

    dependencies = [
        ("collection", "0001_purchases"),
        ("topups", "0004_paid_first_rules"),
        ("config", "0001_roles"),
    ]
    operations = [
        migrations.RunSQL(_GUARD, _UNGUARD),
        isolate("collection_purchase", app="SELECT, INSERT"),
        grant(
            "collection_purchase",
            to="tollgate_app",
            privileges="UPDATE (cancel_asked_at, look_at)",
        ),
        tied_to("topups_topup"),
        tie("collection_purchase", "top_up_id", "topups_topup"),
    ]
