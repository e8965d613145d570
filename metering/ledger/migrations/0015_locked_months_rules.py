"""Refuse what is dated inside a locked month, and date what comes late of it.

The functions run as the owner: gateways end grants of credit, and read no months. Each
writer holds the months shared up to its end, so that a month is locked while nobody has
a posting in hand; what the trigger then reads is as of after that.
"""

from importlib import import_module

from django.db import migrations

_before = import_module("metering.ledger.migrations.0005_credit_rules")

_LOCKED = """
CREATE FUNCTION ledger_is_locked(tenant bigint, at timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    last date;
BEGIN
    SELECT max(month) INTO last FROM ledger_lockedmonth WHERE reopened_at IS NULL;
    -- What lies well behind needs no look at the tenant's days.
    IF last IS NULL OR at > (last + interval '1 month 2 days') AT TIME ZONE 'UTC' THEN
        RETURN false;
    END IF;
    RETURN date_trunc('month', ledger_book_date(tenant, at))::date <= last;
END $$;
CREATE FUNCTION ledger_refuse_locked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger_months', 0));
    IF EXISTS (SELECT FROM ledger_lockedmonth WHERE reopened_at IS NULL) AND EXISTS (
        SELECT FROM added WHERE ledger_is_locked(tenant_id, occurred_at)
    ) THEN
        RAISE EXCEPTION 'the month that this is dated in is locked'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER locked_months_refuse AFTER INSERT ON ledger_transaction
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_locked();
"""
_UNLOCKED = """
DROP TRIGGER locked_months_refuse ON ledger_transaction;
DROP FUNCTION ledger_refuse_locked();
DROP FUNCTION ledger_is_locked(bigint, timestamptz);
"""

# A locking is ended once, by its reopening, and otherwise stays as it was.
_GUARD = """
CREATE FUNCTION ledger_lockedmonth_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.reopened_at IS NOT NULL
        OR (OLD.id, OLD.month, OLD.prepared_by_id, OLD.approved_by_id, OLD.locked_at)
        IS DISTINCT FROM
        (NEW.id, NEW.month, NEW.prepared_by_id, NEW.approved_by_id, NEW.locked_at)
    THEN
        RAISE EXCEPTION 'a locking of a month changes only by its reopening'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER locking_stays BEFORE UPDATE OR DELETE ON ledger_lockedmonth
    FOR EACH ROW EXECUTE FUNCTION ledger_lockedmonth_guard();
REVOKE ALL ON ledger_lockedmonth FROM tollgate_app;
REVOKE DELETE, TRUNCATE ON ledger_lockedmonth FROM tollgate_operator;
"""
_UNGUARD = """
GRANT DELETE ON ledger_lockedmonth TO tollgate_operator;
DROP TRIGGER locking_stays ON ledger_lockedmonth;
DROP FUNCTION ledger_lockedmonth_guard();
"""

# Credit that ran out in a locked month, and was looked at only now, expires now.
_AT = "VALUES (ended.tenant_id, 'credit_expiry', 'grant ' || ended.id, at)"
_AT_OR_NOW = """VALUES (
        ended.tenant_id, 'credit_expiry', 'grant ' || ended.id,
        CASE WHEN ledger_is_locked(ended.tenant_id, at) THEN clock_timestamp()
            ELSE at END
    )"""
_EXPIRE_BEFORE = _before._EXPIRE.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)


class Migration(migrations.Migration):
    """Hold months locked."""

    dependencies = [("ledger", "0014_locked_months"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_LOCKED, _UNLOCKED),
        migrations.RunSQL(_GUARD, _UNGUARD),
        migrations.RunSQL(_EXPIRE_BEFORE.replace(_AT, _AT_OR_NOW), _EXPIRE_BEFORE),
    ]
