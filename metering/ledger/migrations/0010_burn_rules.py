"""Credit for some models only, and credit of those who pay afterwards.

A request takes from its tenant's credit whatever its model is, so credit with a scope
is drawn as a bill is made, and never by use. What a postpaid tenant was given pays for
the period in which it runs out. And burns are append-only facts.
"""

from django.db import migrations

from kit.orm.isolation import append_only, isolate

# What use has taken of each grant that has not ended: all that is paid from credit and
# not yet taken falls on those without a scope, in their one order.
_BURNING = """
CREATE OR REPLACE FUNCTION credit_burning(tenant bigint, used numeric)
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
            CASE it.for_models WHEN '{}'
                THEN it.amount_picos - it.burned_picos - it.reversed_picos
                ELSE 0 END AS burning,
            it.priority, it.expires_at, it.created_at
        FROM ledger_creditgrant it
        WHERE it.tenant_id = tenant AND it.expired_at IS NULL
    ), queued AS (
        SELECT open.*, coalesce(sum(burning) OVER (
            ORDER BY priority, expires_at NULLS LAST, created_at, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS before
        FROM open
    ), taken AS (
        SELECT queued.*, least(burning, greatest(
            coalesce((SELECT picos FROM due), 0) - before, 0
        )) AS picos
        FROM queued
    )
    SELECT id, burned_picos + picos, rest - picos FROM taken
$$;
"""
# As 0005 has it.
_BURNING_BEFORE = """
CREATE OR REPLACE FUNCTION credit_burning(tenant bigint, used numeric)
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

# Notes what use has taken of each grant, and ends those that have run out. Those of a
# postpaid tenant pay for the period in which they run out, and end as it is closed.
_SETTLE = """
CREATE OR REPLACE FUNCTION credit_settle(tenant bigint, at timestamptz, used numeric)
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
        WHERE it.tenant_id = tenant AND it.expired_at IS NULL AND it.expires_at <= at{which}
        ORDER BY it.id
    LOOP
        PERFORM credit_expire(ended.id, ended.expires_at);
        ends := ends + 1;
    END LOOP;
    RETURN ends;
END $$;
"""
_OF_PREPAID = """
            AND EXISTS (
                SELECT FROM ledger_creditaccount
                WHERE tenant_id = tenant AND paused_at_picos IS NULL
            )"""

_GUARD = """
CREATE OR REPLACE FUNCTION ledger_creditgrant_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (
        OLD.id, OLD.tenant_id, OLD.source, OLD.amount_picos, OLD.currency, OLD.priority,
        OLD.expires_at, OLD.reference, OLD.created_at{more_old}
    ) IS DISTINCT FROM (
        NEW.id, NEW.tenant_id, NEW.source, NEW.amount_picos, NEW.currency, NEW.priority,
        NEW.expires_at, NEW.reference, NEW.created_at{more_new}
    ) OR NEW.reversed_picos < OLD.reversed_picos OR OLD.expired_at IS NOT NULL
        AND (OLD.expired_at, OLD.expired_picos)
            IS DISTINCT FROM (NEW.expired_at, NEW.expired_picos)
    THEN
        RAISE EXCEPTION 'a credit grant changes only by what burns and ends it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    """Change the rules where scope matters, and guard the new facts."""

    dependencies = [("ledger", "0009_burns"), ("config", "0001_roles")]
    operations = [
        isolate("ledger_creditburn"),
        isolate("ledger_creditdraw"),
        append_only("ledger_creditburn"),
        append_only("ledger_creditdraw"),
        migrations.RunSQL(_BURNING, _BURNING_BEFORE),
        migrations.RunSQL(_SETTLE.format(which=_OF_PREPAID), _SETTLE.format(which="")),
        migrations.RunSQL(
            _GUARD.format(more_old=", OLD.for_models", more_new=", NEW.for_models"),
            _GUARD.format(more_old="", more_new=""),
        ),
    ]
