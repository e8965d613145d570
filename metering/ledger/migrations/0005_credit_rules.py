"""How credit burns, what is left of it, and that it ends at its instant by itself.

`posted` is what a tenant ever used, as its credit's window counts it. Whoever settles
holds that window's lock, which is taken before any row of credit.
"""

from django.db import migrations

from kit.orm.isolation import isolate

# What use has taken of each grant that has not ended: all that is paid from credit and
# not yet taken falls on them in their one order.
_BURNING = """
CREATE FUNCTION credit_burning(tenant bigint, used numeric)
RETURNS TABLE (grant_id bigint, burned numeric, unused numeric)
LANGUAGE sql STABLE AS $$
    WITH due AS (
        SELECT greatest(coalesce(account.paused_at_picos, used) - account.base_picos - (
            SELECT coalesce(sum(burned_picos), 0)
            FROM ledger_creditgrant WHERE tenant_id = tenant
        ), 0) AS picos
        FROM ledger_creditaccount account WHERE account.tenant_id = tenant
    ), open AS (
        SELECT it.id, it.burned_picos,
            it.amount_picos - it.burned_picos - it.reversed_picos AS rest,
            coalesce(sum(it.amount_picos - it.burned_picos - it.reversed_picos) OVER (
                ORDER BY it.priority, it.expires_at NULLS LAST, it.created_at, it.id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS before
        FROM ledger_creditgrant it
        WHERE it.tenant_id = tenant AND it.expired_at IS NULL
    ), taken AS (
        SELECT open.*, least(rest, greatest(
            coalesce((SELECT picos FROM due), 0) - before, 0
        )) AS picos
        FROM open
    )
    SELECT id, burned_picos + picos, rest - picos FROM taken
$$;
"""

# All that was ever granted, less what expired or was reversed; of a tenant that pays
# afterwards, none. What has run out and is not settled yet counts as if it were.
_ALLOWANCE = """
CREATE FUNCTION credit_allowance(tenant bigint, at timestamptz, used numeric)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT base_picos FROM ledger_creditaccount WHERE tenant_id = tenant
    ), 0) + coalesce((
        SELECT sum(amount_picos - expired_picos - reversed_picos)
        FROM ledger_creditgrant WHERE tenant_id = tenant
    ), 0) - coalesce((
        SELECT sum(burning.unused)
        FROM ledger_creditgrant it
        JOIN credit_burning(tenant, used) burning ON burning.grant_id = it.id
        WHERE it.tenant_id = tenant AND it.expired_at IS NULL AND it.expires_at <= at
    ), 0)
    FROM tenants_tenant
    WHERE id = tenant AND payment_mode = 'prepaid'
$$;
"""

# What was paid for and expires is earned; what was given away goes back to where it was
# taken from. One statement carries both entries.
_EXPIRE = """
CREATE FUNCTION credit_expire(grant_id bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    ended ledger_creditgrant;
    number bigint;
    debited text;
    credited text;
BEGIN
    UPDATE ledger_creditgrant
    SET expired_picos = amount_picos - burned_picos - reversed_picos, expired_at = at
    WHERE id = grant_id AND expired_at IS NULL
    RETURNING * INTO ended;
    IF NOT FOUND OR ended.expired_picos = 0 THEN
        RETURN;
    END IF;
    debited := CASE ended.source WHEN 'promotional' THEN 'promotional_credit'
        ELSE 'wallet' END;
    credited := CASE ended.source WHEN 'top_up' THEN 'breakage' ELSE 'discounts' END;
    INSERT INTO ledger_transaction (tenant_id, kind, source, occurred_at)
    VALUES (ended.tenant_id, 'credit_expiry', 'grant ' || ended.id, at)
    RETURNING id INTO number;
    INSERT INTO ledger_account (tenant_id, kind, currency)
    VALUES (ended.tenant_id, debited, ended.currency),
        (ended.tenant_id, credited, ended.currency)
    ON CONFLICT (tenant_id, kind, currency) DO NOTHING;
    INSERT INTO ledger_entry (tenant_id, transaction_id, account_id, amount_picos)
    SELECT ended.tenant_id, number, account.id,
        CASE account.kind WHEN debited THEN ended.expired_picos
            ELSE -ended.expired_picos END
    FROM ledger_account account
    WHERE account.tenant_id = ended.tenant_id AND account.currency = ended.currency
        AND account.kind IN (debited, credited);
END $$;
"""

# Notes what use has taken of each grant, and ends those that have run out.
_SETTLE = """
CREATE FUNCTION credit_settle(tenant bigint, at timestamptz, used numeric)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    ended record;
    ends integer := 0;
BEGIN
    PERFORM 1 FROM ledger_creditgrant
    WHERE tenant_id = tenant AND expired_at IS NULL ORDER BY id FOR NO KEY UPDATE;
    UPDATE ledger_creditgrant it SET burned_picos = burning.burned
    FROM credit_burning(tenant, used) burning
    WHERE it.id = burning.grant_id AND it.burned_picos <> burning.burned;
    FOR ended IN
        SELECT it.id, it.expires_at FROM ledger_creditgrant it
        WHERE it.tenant_id = tenant AND it.expired_at IS NULL AND it.expires_at <= at
        ORDER BY it.id
    LOOP
        PERFORM credit_expire(ended.id, ended.expires_at);
        ends := ends + 1;
    END LOOP;
    RETURN ends;
END $$;
"""

# Asked by each grant of a lease, under the lock of the credit's window: the first one
# after credit has run out settles it, so that nothing used later is paid from it.
_LIMIT = """
CREATE FUNCTION credit_limit(tenant bigint, at timestamptz, used numeric)
RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_read_only') = 'off' AND EXISTS (
        SELECT FROM ledger_creditgrant it
        WHERE it.tenant_id = tenant AND it.expired_at IS NULL AND it.expires_at <= at
    ) THEN
        PERFORM credit_settle(tenant, at, used);
    END IF;
    RETURN credit_allowance(tenant, at, used);
END $$;
"""

# What a grant says stays; of what ends it nothing is taken back.
_GUARD = """
CREATE FUNCTION ledger_creditgrant_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (
        OLD.id, OLD.tenant_id, OLD.source, OLD.amount_picos, OLD.currency, OLD.priority,
        OLD.expires_at, OLD.reference, OLD.created_at
    ) IS DISTINCT FROM (
        NEW.id, NEW.tenant_id, NEW.source, NEW.amount_picos, NEW.currency, NEW.priority,
        NEW.expires_at, NEW.reference, NEW.created_at
    ) OR NEW.reversed_picos < OLD.reversed_picos OR OLD.expired_at IS NOT NULL
        AND (OLD.expired_at, OLD.expired_picos)
            IS DISTINCT FROM (NEW.expired_at, NEW.expired_picos)
    THEN
        RAISE EXCEPTION 'a credit grant changes only by what burns and ends it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON ledger_creditgrant
    FOR EACH ROW EXECUTE FUNCTION ledger_creditgrant_guard();
REVOKE DELETE, TRUNCATE ON ledger_creditgrant FROM tollgate_operator;
REVOKE DELETE, TRUNCATE ON ledger_creditaccount FROM tollgate_operator;
"""
_UNGUARD = """
DROP TRIGGER guarded ON ledger_creditgrant;
DROP FUNCTION ledger_creditgrant_guard();
"""

# None runs as its owner: whoever calls one needs the rights of what it does, and sees
# what it may see.
_FUNCTIONS = {
    "credit_burning(bigint, numeric)": _BURNING,
    "credit_allowance(bigint, timestamptz, numeric)": _ALLOWANCE,
    "credit_expire(bigint, timestamptz)": _EXPIRE,
    "credit_settle(bigint, timestamptz, numeric)": _SETTLE,
    "credit_limit(bigint, timestamptz, numeric)": _LIMIT,
}


class Migration(migrations.Migration):
    """Put the rules beside the tables that they are about."""

    dependencies = [
        ("ledger", "0004_credit"),
        ("tenants", "0014_payment_mode"),
        ("config", "0001_roles"),
    ]
    operations = [
        isolate("ledger_creditgrant"),
        isolate("ledger_creditaccount"),
        migrations.RunSQL(_GUARD, _UNGUARD),
        *(
            migrations.RunSQL(sql, f"DROP FUNCTION {signature}")
            for signature, sql in _FUNCTIONS.items()
        ),
    ]
