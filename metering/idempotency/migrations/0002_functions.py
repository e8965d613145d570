"""Claim a key for an attempt, or forget the attempt that nobody took.

The functions run as the owner, so that gateways need no right to the tables. The row of
a key is locked by whoever decides about it: of two at once, the second sees the first.
"""

from django.db import migrations

from kit.orm.isolation import isolate

# Asked again by the same request, it says the same: an answer may get lost.
_CLAIM = """
CREATE FUNCTION idempotency_claim(
    tenant bigint, key bytea, body bytea, request uuid, admitted_us bigint,
    in_epoch bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    at timestamptz := 'epoch'::timestamptz + admitted_us * interval '1 microsecond';
    held idempotency_claim;
BEGIN
    -- An attempt counts as running while its epoch is open, so none begins outside one.
    IF NOT EXISTS (SELECT FROM usage_epoch WHERE id = in_epoch AND state = 'open') THEN
        RETURN 'fenced';
    END IF;
    LOOP
        INSERT INTO idempotency_claim AS claim (
            tenant_id, key_digest, body_digest, first_admitted_at, number, request_id,
            epoch_id
        ) VALUES (tenant, key, body, at, 1, request, in_epoch) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN 'new';
        END IF;
        SELECT * INTO held FROM idempotency_claim claim
        WHERE claim.tenant_id = tenant AND claim.key_digest = key FOR UPDATE;
        -- Not found: it was forgotten between the two.
        EXIT WHEN FOUND;
    END LOOP;
    IF held.request_id = request THEN
        RETURN CASE held.number WHEN 1 THEN 'new' ELSE 'retry' END;
    END IF;
    IF at >= held.first_admitted_at + interval '24 hours' THEN
        UPDATE idempotency_claim claim
        SET body_digest = body, first_admitted_at = at, number = 1,
            request_id = request, epoch_id = in_epoch
        WHERE claim.tenant_id = tenant AND claim.key_digest = key;
        RETURN 'new';
    END IF;
    IF held.body_digest <> body THEN
        RETURN 'mismatch';
    END IF;
    IF NOT EXISTS (
        SELECT FROM usage_event event
        WHERE event.tenant_id = tenant AND event.request_id = held.request_id
    ) AND EXISTS (
        SELECT FROM usage_epoch WHERE id = held.epoch_id AND state = 'open'
    ) THEN
        RETURN 'running';
    END IF;
    INSERT INTO idempotency_retry (
        tenant_id, key_digest, first_admitted_at, number, request_id, epoch_id, retried_by
    ) VALUES (
        tenant, key, held.first_admitted_at, held.number, held.request_id, held.epoch_id,
        request
    );
    UPDATE idempotency_claim claim
    SET number = held.number + 1, request_id = request, epoch_id = in_epoch
    WHERE claim.tenant_id = tenant AND claim.key_digest = key;
    RETURN 'retry';
END $$;
"""
# The attempt before it, if there was one, is the last again. One that others came after
# stays: its epoch was closed, and it counts as one that left nothing.
_FORGET = """
CREATE FUNCTION idempotency_forget(tenant bigint, key bytea, request uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held idempotency_claim;
    earlier idempotency_retry;
BEGIN
    SELECT * INTO held FROM idempotency_claim claim
    WHERE claim.tenant_id = tenant AND claim.key_digest = key
        AND claim.request_id = request FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM idempotency_retry retry
    WHERE retry.tenant_id = tenant AND retry.key_digest = key
        AND retry.first_admitted_at = held.first_admitted_at
        AND retry.number = held.number - 1
    RETURNING * INTO earlier;
    IF FOUND THEN
        UPDATE idempotency_claim claim
        SET number = earlier.number, request_id = earlier.request_id,
            epoch_id = earlier.epoch_id
        WHERE claim.tenant_id = tenant AND claim.key_digest = key;
    ELSE
        DELETE FROM idempotency_claim claim
        WHERE claim.tenant_id = tenant AND claim.key_digest = key;
    END IF;
END $$;
"""
_RIGHTS = """
REVOKE ALL ON FUNCTION idempotency_claim(bigint, bytea, bytea, uuid, bigint, bigint),
    idempotency_forget(bigint, bytea, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    idempotency_claim(bigint, bytea, bytea, uuid, bigint, bigint),
    idempotency_forget(bigint, bytea, uuid) TO tollgate_gateway;
"""
_UNDO = """
DROP FUNCTION idempotency_forget(bigint, bytea, uuid);
DROP FUNCTION idempotency_claim(bigint, bytea, bytea, uuid, bigint, bigint);
"""
# Nothing of it is for tenants to see, and operators only credit and forget.
_FOR_WORKERS = """
REVOKE ALL ON idempotency_claim, idempotency_retry FROM tollgate_app;
REVOKE INSERT, UPDATE ON idempotency_claim FROM tollgate_operator;
REVOKE INSERT, UPDATE ON idempotency_retry FROM tollgate_operator;
GRANT UPDATE (judged_at, credit) ON idempotency_retry TO tollgate_operator;
"""


class Migration(migrations.Migration):
    """Make the functions and the rights to them."""

    dependencies = [
        ("idempotency", "0001_initial"),
        ("usage", "0002_events"),
        ("config", "0001_roles"),
    ]
    operations = [
        migrations.RunSQL(_CLAIM + _FORGET + _RIGHTS, _UNDO),
        isolate("idempotency_claim"),
        isolate("idempotency_retry"),
        migrations.RunSQL(_FOR_WORKERS, migrations.RunSQL.noop),
    ]
