"""Open windows, limit them, grant leases of them, and post what is used.

The functions run as the owner, so that no role needs a right to write `posted`: it
moves with the insertion of usage events and with nothing else. Whoever writes several
windows locks them first, in the order of their ids, and leases after windows.
"""

from django.db import migrations

from kit.orm.isolation import isolate

# The functions pass every policy, so those that tenants' sessions may call ask whose.
_OWN = """
CREATE FUNCTION budgets_require_own(tenant bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF session_user = 'tollgate_app' AND tenant IS DISTINCT FROM
            nullif(current_setting('tollgate.tenant', true), '')::bigint THEN
        RAISE insufficient_privilege USING MESSAGE = 'these are not this tenant''s budgets';
    END IF;
END $$;
"""

# Which limit of a place is in force: `tenants.limits.resolution` in SQL, for one place.
# Of the operators' rows the holder's own goes before the plan's, and one that runs until
# a date before the one for good; beside it stands the tenant's own; the lower one holds.
_LIMIT = """
CREATE FUNCTION budgets_limit(place budgets_window, at timestamptz, hard boolean)
RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    owner record;
    result numeric;
BEGIN
    PERFORM budgets_require_own(place.tenant_id);
    IF place.kind = 'credit' THEN
        RETURN credit_limit(place.tenant_id, at, place.posted);
    END IF;
    SELECT tenant.currency,
           coalesce(tenant.plan_id, (SELECT id FROM tenants_plan WHERE is_default)) AS plan_id
    INTO owner FROM tenants_tenant tenant WHERE tenant.id = place.tenant_id;
    WITH limits AS (
        SELECT id, amount_picos AS value, set_by, plan_id, tenant_id, project_id,
               api_key_id, level, model, is_hard, ends_at, ended_at
        FROM tenants_budget
        WHERE place.kind = 'budget' AND "window" = place."window"
            AND currency = owner.currency
            AND (tenant_id = place.tenant_id OR plan_id = owner.plan_id)
        UNION ALL
        SELECT id, value, set_by, plan_id, tenant_id, project_id,
               api_key_id, level, model, is_hard, ends_at, ended_at
        FROM tenants_quota
        WHERE place.kind = 'quota' AND "window" = place."window" AND unit = place.unit
            AND (tenant_id = place.tenant_id OR plan_id = owner.plan_id)
    ), live AS (
        SELECT * FROM limits
        WHERE level = place.level AND model = place.model AND is_hard = hard
            AND (ends_at IS NULL OR at < ends_at)
            AND (ended_at IS NULL OR at < ended_at)
            AND (plan_id IS NOT NULL OR place.holder_id = CASE level
                WHEN 'tenant' THEN tenant_id WHEN 'project' THEN project_id
                ELSE api_key_id END)
    )
    SELECT least(
        (SELECT value FROM live WHERE set_by = 'operator'
         ORDER BY plan_id IS NOT NULL, ends_at IS NULL, value, id LIMIT 1),
        (SELECT value FROM live WHERE set_by = 'tenant'
         ORDER BY plan_id IS NOT NULL, ends_at IS NULL, value, id LIMIT 1)
    ) INTO result;
    RETURN result;
END $$;
"""

# What usage of a place comes to, from rollups and from the events above them: both as of
# one moment, since rollups and their marks move together.
_USED = """
CREATE FUNCTION budgets_used(place budgets_window) RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM budgets_require_own(place.tenant_id);
    RETURN coalesce((
        SELECT sum(CASE WHEN place.kind = 'quota' THEN rollup.quantity
                        ELSE rollup.charge_picos END)
        FROM usage_billingday day
        JOIN usage_dayrollup rollup
            ON rollup.tenant_id = day.tenant_id AND rollup.date = day.date
        WHERE day.tenant_id = place.tenant_id
            AND day.starts_at >= place.starts_at AND day.starts_at < place.ends_at
            AND rollup.token_class = ANY(CASE
                WHEN place.kind <> 'quota' THEN ARRAY[1, 2, 3]
                WHEN place.unit = 'input_tokens' THEN ARRAY[1, 2]
                WHEN place.unit = 'output_tokens' THEN ARRAY[3]
                ELSE ARRAY[1, 2, 3] END)
            AND CASE place.level WHEN 'tenant' THEN true
                WHEN 'project' THEN rollup.project_id = place.holder_id
                ELSE rollup.api_key_id = place.holder_id END
            AND (place.model = '' OR place.model = (
                SELECT price.model FROM pricing_price price
                WHERE price.id = rollup.price_id))
    ), 0) + coalesce((
        SELECT sum(CASE
            WHEN place.kind <> 'quota' THEN event.charge_picos
            WHEN place.unit = 'input_tokens'
                THEN event.input_tokens + event.cached_input_tokens
            WHEN place.unit = 'output_tokens' THEN event.output_tokens
            ELSE event.input_tokens + event.cached_input_tokens + event.output_tokens
            END)
        FROM usage_epoch epoch
        LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
        JOIN usage_event event ON event.epoch_id = epoch.id
            AND event.seq > coalesce(mark.rolled_seq, 0)
        WHERE epoch.last_seq > coalesce(mark.rolled_seq, 0)
            AND event.tenant_id = place.tenant_id
            AND event.admitted_at >= place.starts_at AND event.admitted_at < place.ends_at
            AND CASE place.level WHEN 'tenant' THEN true
                WHEN 'project' THEN event.project_id = place.holder_id
                ELSE event.api_key_id = place.holder_id END
            AND (place.model = '' OR place.model = (
                SELECT price.model FROM pricing_price price WHERE price.id = event.price_id))
    ), 0);
END $$;
"""

# The instants of a window are those of the tenant's billing days. No row: the calendar
# does not reach there.
_SPAN = """
CREATE FUNCTION budgets_span(
    tenant bigint, kind_of_window text, at timestamptz,
    OUT starts_at timestamptz, OUT ends_at timestamptz
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    today usage_billingday;
BEGIN
    IF kind_of_window = 'forever' THEN
        starts_at := '1970-01-01 00:00:00+00';
        ends_at := '9999-12-31 00:00:00+00';
        RETURN;
    END IF;
    SELECT * INTO today FROM usage_billingday day
    WHERE day.tenant_id = tenant AND day.starts_at <= at
    ORDER BY day.starts_at DESC LIMIT 1;
    IF NOT FOUND OR at >= today.ends_at THEN
        RETURN;
    END IF;
    IF kind_of_window = 'day' THEN
        starts_at := today.starts_at;
        ends_at := today.ends_at;
        RETURN;
    END IF;
    SELECT min(day.starts_at), max(day.ends_at) INTO starts_at, ends_at
    FROM usage_billingday day
    WHERE day.tenant_id = tenant
        AND day.date >= date_trunc('month', today.date::timestamp)::date
        AND day.date < (date_trunc('month', today.date::timestamp) + interval '1 month')::date;
END $$;
"""

_PLACES = """
CREATE FUNCTION budgets_places(
    tenants bigint[], levels text[], holders bigint[], kinds text[], units text[],
    windows text[], models text[], at timestamptz[]
) RETURNS TABLE (
    number bigint, tenant_id bigint, level text, holder_id bigint, kind text, unit text,
    "window" text, model text, starts_at timestamptz, ends_at timestamptz, there bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT asked.number, asked.tenant_id, asked.level, asked.holder_id, asked.kind,
           asked.unit, asked.kind_of_window, asked.model, span.starts_at, span.ends_at,
           place.id
    FROM unnest(tenants, levels, holders, kinds, units, windows, models, at)
        WITH ORDINALITY AS asked (
            tenant_id, level, holder_id, kind, unit, kind_of_window, model, instant,
            number)
    CROSS JOIN LATERAL
        budgets_span(asked.tenant_id, asked.kind_of_window, asked.instant) span
    LEFT JOIN budgets_window place
        ON (place.tenant_id, place.level, place.holder_id, place.kind, place.unit,
            place."window", place.model, place.starts_at)
        = (asked.tenant_id, asked.level, asked.holder_id, asked.kind, asked.unit,
           asked.kind_of_window, asked.model, span.starts_at)
    WHERE span.starts_at IS NOT NULL
$$;
"""

# A window that is opened after it began starts with what was used until then. While the
# epochs' table is locked no gateway commits: each event is either counted here, or finds
# the window when it is inserted. A window that is yet to begin needs no such thing.
_OPEN = """
CREATE FUNCTION budgets_open(
    tenants bigint[], levels text[], holders bigint[], kinds text[], units text[],
    windows text[], models text[], at timestamptz[]
) RETURNS TABLE (number bigint, window_id bigint, starts_us bigint, ends_us bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
    missing boolean;
    begun boolean;
BEGIN
    SELECT bool_or(there IS NULL),
           bool_or(there IS NULL AND starts_at < clock_timestamp() + interval '5 seconds')
    INTO missing, begun
    FROM budgets_places(tenants, levels, holders, kinds, units, windows, models, at);
    IF begun THEN
        LOCK TABLE usage_epoch IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    IF missing THEN
        INSERT INTO budgets_window (
            tenant_id, level, holder_id, kind, unit, "window", model, starts_at, ends_at,
            posted
        )
        SELECT DISTINCT fresh.tenant_id, fresh.level, fresh.holder_id, fresh.kind,
               fresh.unit, fresh."window", fresh.model, fresh.starts_at, fresh.ends_at,
               CASE WHEN begun THEN budgets_used(
                   jsonb_populate_record(NULL::budgets_window, to_jsonb(fresh))
               ) ELSE 0 END
        FROM budgets_places(tenants, levels, holders, kinds, units, windows, models, at)
            AS fresh
        WHERE fresh.there IS NULL
        ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY
    SELECT place.number, place.there,
           (extract(epoch FROM place.starts_at) * 1000000)::bigint,
           (extract(epoch FROM place.ends_at) * 1000000)::bigint
    FROM budgets_places(tenants, levels, holders, kinds, units, windows, models, at)
        AS place
    WHERE place.there IS NOT NULL;
END $$;
"""

# The next instant at which the limit of a place may change without anybody's doing. Too
# early an instant does no harm: then it is only asked again.
_UNTIL = """
CREATE FUNCTION budgets_until(place budgets_window, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT least(
        (SELECT min(expires_at) FROM ledger_creditgrant
         WHERE place.kind = 'credit' AND tenant_id = place.tenant_id
            AND expires_at > at AND expired_at IS NULL),
        (SELECT min(ends_at) FROM tenants_budget
         WHERE place.kind = 'budget' AND ended_at IS NULL AND ends_at > at
            AND (tenant_id = place.tenant_id OR plan_id IS NOT NULL)),
        (SELECT min(ends_at) FROM tenants_quota
         WHERE place.kind = 'quota' AND ended_at IS NULL AND ends_at > at
            AND (tenant_id = place.tenant_id OR plan_id IS NOT NULL))
    )
$$;
"""

# The guard. `leased` is the sum of the leases, read once the window is locked: a lease
# grows under that lock alone.
_GRANT = """
CREATE FUNCTION budgets_grant(
    leased_by bigint, ids bigint[], leasts numeric[], wants numeric[]
) RETURNS TABLE (
    window_id bigint, granted numeric, in_force numeric, posted numeric,
    used_elsewhere numeric, until_us bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    asked record;
    place budgets_window;
    leased numeric;
    elsewhere numeric;
    rest numeric;
BEGIN
    -- A closing is waited for here, and seen by the next statement.
    PERFORM 1 FROM usage_epoch WHERE id = leased_by FOR KEY SHARE;
    IF NOT EXISTS (SELECT FROM usage_epoch WHERE id = leased_by AND state = 'open') THEN
        RETURN;
    END IF;
    PERFORM 1 FROM budgets_window WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE;
    FOR asked IN
        SELECT wish.id, wish.least, greatest(wish.want, wish.least) AS want
        FROM unnest(ids, leasts, wants) AS wish (id, least, want) ORDER BY wish.id
    LOOP
        SELECT * INTO place FROM budgets_window WHERE id = asked.id;
        SELECT coalesce(sum(lease.amount), 0),
               coalesce(sum(lease.amount) FILTER (WHERE lease.epoch_id <> leased_by), 0),
               coalesce(sum(lease.used) FILTER (WHERE lease.epoch_id <> leased_by), 0)
        INTO leased, elsewhere, used_elsewhere
        FROM budgets_lease lease WHERE lease.window_id = asked.id;
        window_id := asked.id;
        posted := place.posted;
        until_us := (extract(epoch FROM budgets_until(place, clock_timestamp()))
                     * 1000000)::bigint;
        in_force := budgets_limit(place, clock_timestamp(), true);
        rest := in_force - posted - leased;
        granted := CASE
            WHEN in_force IS NULL THEN asked.want
            WHEN rest < asked.least OR rest <= 0 THEN 0
            ELSE least(asked.want, greatest(asked.least, div(rest, 8))) END;
        IF granted > 0 THEN
            INSERT INTO budgets_lease AS lease (window_id, epoch_id, tenant_id, amount, used)
            VALUES (asked.id, leased_by, place.tenant_id, granted, 0)
            ON CONFLICT ON CONSTRAINT budgets_lease_pkey
            DO UPDATE SET amount = lease.amount + excluded.amount;
        ELSIF asked.least > 0 AND elsewhere > used_elsewhere AND (place.recalled_at IS NULL
                OR place.recalled_at < clock_timestamp() - interval '100 ms') THEN
            UPDATE budgets_window SET recalled_at = clock_timestamp() WHERE id = asked.id;
            PERFORM pg_notify('tollgate_budgets', '');
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
"""

# The leases of an epoch are changed by its commits too: whoever changes several locks them
# first, in the order of their windows.
_RETURN = """
CREATE FUNCTION budgets_return(leased_by bigint, ids bigint[], amounts numeric[])
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT 1 FROM budgets_lease WHERE window_id = ANY(ids) AND epoch_id = leased_by
    ORDER BY window_id FOR NO KEY UPDATE;
    UPDATE budgets_lease lease SET amount = greatest(lease.amount - back.amount, 0)
    FROM unnest(ids, amounts) AS back (id, amount)
    WHERE lease.window_id = back.id AND lease.epoch_id = leased_by
$$;
"""

# Tells how far open requests are, and asks which windows are recalled and what the
# leases come to here. Where less is leased than the process knew of, a commit has been
# faster: some of the requests that it tells of are posted by now, and must not count
# twice.
_BEAT = """
CREATE FUNCTION budgets_beat(
    leased_by bigint, ids bigint[], amounts numeric[], used_now numeric[]
) RETURNS TABLE (window_id bigint, amount numeric, recalled_us bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT 1 FROM budgets_lease lease
    JOIN unnest(ids, used_now) AS progress (id, used) ON lease.window_id = progress.id
    WHERE lease.epoch_id = leased_by AND lease.used <> progress.used
    ORDER BY lease.window_id FOR NO KEY UPDATE OF lease;
    UPDATE budgets_lease lease SET used = progress.used
    FROM unnest(ids, amounts, used_now) AS progress (id, amount, used)
    WHERE lease.window_id = progress.id AND lease.epoch_id = leased_by
        AND lease.amount >= progress.amount AND lease.used <> progress.used;
    SELECT place.id, coalesce(lease.amount, 0),
           coalesce(extract(epoch FROM place.recalled_at) * 1000000, 0)::bigint
    FROM budgets_window place
    LEFT JOIN budgets_lease lease
        ON lease.window_id = place.id AND lease.epoch_id = leased_by
    WHERE place.id = ANY(ids)
$$;
"""

# Called by whoever changes what limits a tenant, in the same transaction: it waits for
# the grants under way, so that none after it goes by the limit of before.
_RECALL = """
CREATE FUNCTION budgets_recall(tenant bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM budgets_require_own(tenant);
    PERFORM 1 FROM budgets_window
    WHERE tenant_id = tenant AND ends_at > clock_timestamp()
    ORDER BY id FOR NO KEY UPDATE;
    UPDATE budgets_window SET recalled_at = clock_timestamp()
    WHERE tenant_id = tenant AND ends_at > clock_timestamp();
    PERFORM pg_notify('tollgate_budgets', '');
END $$;
"""

# Each statement of the body sees what is committed by then: with the epoch locked by the
# statement that inserts, a window opened before is seen. What the batch has used of its
# process's leases comes in a setting of the transaction, spaced: `window=amount=used`, where the
# last is what its open requests have used so far.
_POST = """
CREATE FUNCTION budgets_post() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    spent text := nullif(current_setting('tollgate.spent', true), '');
BEGIN
    IF NOT EXISTS (
        SELECT FROM budgets_window place
        WHERE place.tenant_id IN (SELECT DISTINCT event.tenant_id FROM fresh event)
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM budgets_window WHERE id IN (
        SELECT place.id FROM fresh event
        CROSS JOIN LATERAL (VALUES ('tenant', event.tenant_id),
            ('project', event.project_id), ('api_key', event.api_key_id)
        ) AS holder (level, id)
        JOIN budgets_window place ON place.tenant_id = event.tenant_id
            AND place.level = holder.level AND place.holder_id = holder.id
            AND place.starts_at <= event.admitted_at AND event.admitted_at < place.ends_at
    ) ORDER BY id FOR NO KEY UPDATE;
    UPDATE budgets_window place SET posted = place.posted + sums.amount
    FROM (
        SELECT counted.id, sum(CASE
            WHEN counted.kind <> 'quota' THEN event.charge_picos
            WHEN counted.unit = 'input_tokens'
                THEN event.input_tokens + event.cached_input_tokens
            WHEN counted.unit = 'output_tokens' THEN event.output_tokens
            ELSE event.input_tokens + event.cached_input_tokens + event.output_tokens
            END) AS amount
        FROM fresh event
        CROSS JOIN LATERAL (VALUES ('tenant', event.tenant_id),
            ('project', event.project_id), ('api_key', event.api_key_id)
        ) AS holder (level, id)
        JOIN budgets_window counted ON counted.tenant_id = event.tenant_id
            AND counted.level = holder.level AND counted.holder_id = holder.id
            AND counted.starts_at <= event.admitted_at
            AND event.admitted_at < counted.ends_at
            AND (counted.model = '' OR counted.model = (
                SELECT price.model FROM pricing_price price WHERE price.id = event.price_id))
        GROUP BY counted.id
    ) sums
    WHERE place.id = sums.id AND sums.amount <> 0;
    IF spent IS NOT NULL THEN
        PERFORM 1 FROM budgets_lease
        WHERE epoch_id = (SELECT event.epoch_id FROM fresh event LIMIT 1)
            AND window_id = ANY(ARRAY(
                SELECT split_part(each, '=', 1)::bigint
                FROM string_to_table(spent, ' ') AS each))
        ORDER BY window_id FOR NO KEY UPDATE;
        UPDATE budgets_lease lease
        SET amount = greatest(lease.amount - part.amount, 0), used = part.used
        FROM (
            SELECT split_part(each, '=', 1)::bigint AS id,
                   split_part(each, '=', 2)::numeric AS amount,
                   split_part(each, '=', 3)::numeric AS used
            FROM string_to_table(spent, ' ') AS each
        ) part
        WHERE lease.window_id = part.id
            AND lease.epoch_id = (SELECT event.epoch_id FROM fresh event LIMIT 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER budgets_post AFTER INSERT ON usage_event
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION budgets_post();
"""

# Whoever closes an epoch gives its leases back by that. A grant holds the epoch's key:
# those under way are waited for, and none comes after.
_CLOSE = """
CREATE FUNCTION budgets_close_epoch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM usage_epoch WHERE id = NEW.id FOR UPDATE;
    PERFORM 1 FROM budgets_lease WHERE epoch_id = NEW.id ORDER BY window_id FOR UPDATE;
    DELETE FROM budgets_lease WHERE epoch_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER budgets_close_epoch AFTER UPDATE OF state ON usage_epoch
    FOR EACH ROW WHEN (NEW.state = 'closed' AND OLD.state <> 'closed')
    EXECUTE FUNCTION budgets_close_epoch();
"""

_ASKED = "bigint[], text[], bigint[], text[], text[], text[], text[], timestamptz[]"
_FUNCTIONS = {
    "budgets_require_own(bigint)": _OWN,
    "budgets_limit(budgets_window, timestamptz, boolean)": _LIMIT,
    "budgets_used(budgets_window)": _USED,
    "budgets_span(bigint, text, timestamptz)": _SPAN,
    f"budgets_places({_ASKED})": _PLACES,
    f"budgets_open({_ASKED})": _OPEN,
    "budgets_until(budgets_window, timestamptz)": _UNTIL,
    "budgets_grant(bigint, bigint[], numeric[], numeric[])": _GRANT,
    "budgets_return(bigint, bigint[], numeric[])": _RETURN,
    "budgets_beat(bigint, bigint[], numeric[], numeric[])": _BEAT,
    "budgets_recall(bigint)": _RECALL,
}
_CALLERS = {
    "budgets_recall(bigint)": "tollgate_operator, tollgate_app",
    "budgets_limit(budgets_window, timestamptz, boolean)": "tollgate_operator, tollgate_app",
    "budgets_used(budgets_window)": "tollgate_operator, tollgate_app",
    "budgets_span(bigint, text, timestamptz)": "tollgate_operator",
    f"budgets_open({_ASKED})": "tollgate_gateway, tollgate_operator",
}


def _function(signature: str, sql: str) -> migrations.RunSQL:
    callers = _CALLERS.get(signature, "tollgate_gateway")
    return migrations.RunSQL(
        f"{sql} REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;"
        f" GRANT EXECUTE ON FUNCTION {signature} TO {callers};",
        f"DROP FUNCTION {signature}",
    )


class Migration(migrations.Migration):
    """Put the rules beside the tables that they are about."""

    dependencies = [
        ("budgets", "0001_initial"),
        ("config", "0001_roles"),
        ("ledger", "0004_credit"),
    ]
    operations = [
        isolate("budgets_window"),
        isolate("budgets_lease"),
        *(_function(signature, sql) for signature, sql in _FUNCTIONS.items()),
        migrations.RunSQL(
            _POST,
            "DROP TRIGGER budgets_post ON usage_event; DROP FUNCTION budgets_post()",
        ),
        migrations.RunSQL(
            _CLOSE,
            "DROP TRIGGER budgets_close_epoch ON usage_epoch;"
            " DROP FUNCTION budgets_close_epoch()",
        ),
        migrations.RunSQL(
            "REVOKE INSERT, UPDATE ON budgets_window, budgets_lease"
            " FROM tollgate_operator",
            "GRANT INSERT, UPDATE ON budgets_window, budgets_lease"
            " TO tollgate_operator",
        ),
        migrations.RunSQL(
            "ALTER TABLE budgets_window SET (fillfactor = 50,"
            " autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);"
            "ALTER TABLE budgets_lease SET (fillfactor = 50,"
            " autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)",
            "ALTER TABLE budgets_window RESET (fillfactor,"
            " autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);"
            "ALTER TABLE budgets_lease RESET (fillfactor,"
            " autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
        ),
    ]
