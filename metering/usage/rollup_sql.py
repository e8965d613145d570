"""The SQL of the rollup: prove a span of events, add it to days, hours and last uses.

`span` is the events of one epoch with `after < seq <= upto`. Token classes are numbered
as in `kit.contracts.TokenClass`; only requests themselves count as requests,
corrections do not. A day is looked up near the event's date in UTC, from which no zone
is far away, and then by its instants.
"""

BEHIND = """
    SELECT epoch.id, epoch.gateway, epoch.last_seq
    FROM usage_epoch epoch
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
    WHERE epoch.last_seq > coalesce(mark.rolled_seq, 0)
    ORDER BY epoch.id
"""

# What days hold and hours or totals do not, since it was rolled up before there were
# such. The latest first: the days that people look at are whole soonest.
LAGGING = """
    SELECT epoch.id, epoch.gateway, mark.rolled_seq
    FROM usage_rollupmark mark JOIN usage_epoch epoch ON epoch.id = mark.epoch_id
    WHERE mark.rolled_seq > least(mark.hours_seq, mark.keyed_seq, mark.totals_seq)
    ORDER BY epoch.id DESC
"""
CATCH_UP_TURN = "SELECT pg_try_advisory_xact_lock(hashtext('usage_catch_up'))"

LOCK_WAITING = """
    SELECT rolled_seq, hours_seq, keyed_seq, totals_seq FROM usage_rollupmark
    WHERE epoch_id = %s FOR UPDATE
"""
LOCK_OR_SKIP = f"{LOCK_WAITING} SKIP LOCKED"

# The start of the first epoch whose rollup is short of its target.
SHORT_OF = """
    SELECT min(epoch.started_at)
    FROM unnest(%(ids)s::bigint[], %(last)s::bigint[]) AS asked (id, last_seq)
    JOIN usage_epoch epoch ON epoch.id = asked.id
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
    WHERE coalesce(mark.rolled_seq, 0) < asked.last_seq
"""

TAKE_CHANGED = """
    DELETE FROM usage_changedday WHERE (tenant_id, date) IN (
        SELECT tenant_id, date FROM usage_changedday
        WHERE (tenant_id, date) IN (
            SELECT * FROM unnest(%(tenants)s::bigint[], %(dates)s::date[])
        )
        ORDER BY tenant_id, date FOR UPDATE
    )
    RETURNING tenant_id, date
"""

# How many events there are, and the first number that is not the one due, or whose
# event has no tenant, no price, or another charge than its price makes. A number given
# twice shows as the first.
CHECK = """
    WITH span AS (
        SELECT event.seq, event.charge_picos, tenant.id AS tenant_id,
            %(after)s + row_number() OVER (ORDER BY event.seq) AS due,
            event.input_tokens::numeric * price.input_picos
            + event.cached_input_tokens::numeric * price.cached_input_picos
            + event.output_tokens::numeric * price.output_picos AS rated
        FROM usage_event event
        LEFT JOIN pricing_price price ON price.id = event.price_id
        LEFT JOIN tenants_tenant tenant ON tenant.id = event.tenant_id
        WHERE event.epoch_id = %(epoch)s
            AND event.seq > %(after)s AND event.seq <= %(upto)s
    )
    SELECT count(*), min(least(seq, due)) FILTER (
        WHERE seq <> due OR tenant_id IS NULL OR rated IS DISTINCT FROM charge_picos
    )
    FROM span
"""

FAULT = """
    SELECT event.charge_picos,
        event.input_tokens::numeric * price.input_picos
        + event.cached_input_tokens::numeric * price.cached_input_picos
        + event.output_tokens::numeric * price.output_picos,
        tenant.id
    FROM usage_event event
    LEFT JOIN pricing_price price ON price.id = event.price_id
    LEFT JOIN tenants_tenant tenant ON tenant.id = event.tenant_id
    WHERE event.epoch_id = %(epoch)s AND event.seq = %(seq)s
"""

NO_DAY = """
    SELECT event.tenant_id, min(event.admitted_at), max(event.admitted_at)
    FROM usage_event event
    WHERE event.epoch_id = %(epoch)s
        AND event.seq > %(after)s AND event.seq <= %(upto)s
        AND NOT EXISTS (
            SELECT FROM usage_billingday day
            WHERE day.tenant_id = event.tenant_id
                AND day.date >= (event.admitted_at AT TIME ZONE 'UTC')::date - 2
                AND day.date <= (event.admitted_at AT TIME ZONE 'UTC')::date + 2
                AND day.starts_at <= event.admitted_at
                AND day.ends_at > event.admitted_at
        )
    GROUP BY event.tenant_id
    ORDER BY event.tenant_id
"""

# Events are summed first and only then divided into token classes: a price is linear.
# Rows are written in the order of their keys: two rollers that touch the same days in
# another order would deadlock. A changed day is updated even where it is listed
# already, because that lock makes a posting of the same day wait for this batch.
ADD_DAYS = """
    WITH spent AS MATERIALIZED (
        SELECT event.tenant_id, day.date, event.project_id, event.api_key_id,
            event.price_id, count(*) AS events,
            count(*) FILTER (WHERE event.kind = 0) AS requests,
            sum(event.input_tokens) AS input_tokens,
            sum(event.cached_input_tokens) AS cached_input_tokens,
            sum(event.output_tokens) AS output_tokens,
            sum(event.reasoning_tokens) AS reasoning_tokens
        FROM usage_event event
        JOIN usage_billingday day ON day.tenant_id = event.tenant_id
            AND day.date >= (event.admitted_at AT TIME ZONE 'UTC')::date - 2
            AND day.date <= (event.admitted_at AT TIME ZONE 'UTC')::date + 2
            AND day.starts_at <= event.admitted_at AND day.ends_at > event.admitted_at
        WHERE event.epoch_id = %(epoch)s
            AND event.seq > %(after)s AND event.seq <= %(upto)s
        GROUP BY 1, 2, 3, 4, 5
    ),
    sums AS MATERIALIZED (
        SELECT spent.tenant_id, spent.date, spent.project_id, spent.api_key_id,
            spent.price_id, class.token_class, class.quantity,
            class.quantity::numeric * class.unit_picos AS charge_picos
        FROM spent
        JOIN pricing_price price ON price.id = spent.price_id
        CROSS JOIN LATERAL (VALUES
            (0, spent.requests, 0::bigint),
            (1, spent.input_tokens, price.input_picos),
            (2, spent.cached_input_tokens, price.cached_input_picos),
            (3, spent.output_tokens, price.output_picos),
            (4, spent.reasoning_tokens, 0::bigint)
        ) AS class (token_class, quantity, unit_picos)
        WHERE class.quantity <> 0
    ),
    changed AS (
        INSERT INTO usage_changedday AS listed (tenant_id, date)
        SELECT DISTINCT tenant_id, date FROM sums ORDER BY tenant_id, date
        ON CONFLICT (tenant_id, date) DO UPDATE SET date = excluded.date
    ),
    rolled AS (
        INSERT INTO usage_dayrollup AS rollup (
            tenant_id, date, project_id, api_key_id, price_id, token_class,
            quantity, charge_picos
        )
        SELECT tenant_id, date, project_id, api_key_id, price_id, token_class,
            quantity, charge_picos
        FROM sums
        ORDER BY tenant_id, date, project_id, api_key_id, price_id, token_class
        ON CONFLICT (tenant_id, date, project_id, api_key_id, price_id, token_class)
        DO UPDATE SET quantity = rollup.quantity + excluded.quantity,
            charge_picos = rollup.charge_picos + excluded.charge_picos
    )
    SELECT coalesce(sum(spent.events), 0)::bigint
    FROM spent JOIN pricing_price price ON price.id = spent.price_id
"""

# After the days of the same batch, in the order of keys as they are: two rollers then
# wait for each other in one direction only. The sums of a charge are those of events,
# which were proven to be what their price makes of them.
ADD_HOURS = """
    WITH sums AS MATERIALIZED (
        SELECT tenant_id, date_bin('1 hour', admitted_at, 'epoch'::timestamptz) AS hour,
            price_id, count(*) AS events, count(*) FILTER (WHERE kind = 0) AS requests,
            sum(input_tokens) AS input_tokens,
            sum(cached_input_tokens) AS cached_input_tokens,
            sum(output_tokens) AS output_tokens,
            sum(reasoning_tokens) AS reasoning_tokens,
            sum(charge_picos) AS charge_picos
        FROM usage_event
        WHERE epoch_id = %(epoch)s AND seq > %(after)s AND seq <= %(upto)s
        GROUP BY 1, 2, 3
    ),
    rolled AS (
        INSERT INTO usage_hourrollup AS rollup (
            tenant_id, hour, price_id, requests, input_tokens, cached_input_tokens,
            output_tokens, reasoning_tokens, charge_picos
        )
        SELECT tenant_id, hour, price_id, requests, input_tokens, cached_input_tokens,
            output_tokens, reasoning_tokens, charge_picos
        FROM sums
        ORDER BY tenant_id, hour, price_id
        ON CONFLICT (tenant_id, hour, price_id) DO UPDATE SET
            requests = rollup.requests + excluded.requests,
            input_tokens = rollup.input_tokens + excluded.input_tokens,
            cached_input_tokens
                = rollup.cached_input_tokens + excluded.cached_input_tokens,
            output_tokens = rollup.output_tokens + excluded.output_tokens,
            reasoning_tokens = rollup.reasoning_tokens + excluded.reasoning_tokens,
            charge_picos = rollup.charge_picos + excluded.charge_picos
    )
    SELECT coalesce(sum(events), 0)::bigint FROM sums
"""

# After days and hours, in the order of keys, for the same reason. The greatest instant
# wins, so epochs may be taken in any order; a key used no later is not written at all.
# A key that is not there has no last use: an event is not held up for it.
NOTE_USE = """
    WITH latest AS (
        SELECT DISTINCT ON (event.api_key_id) event.api_key_id, event.admitted_at,
            event.price_id
        FROM usage_event event
        WHERE event.epoch_id = %(epoch)s
            AND event.seq > %(after)s AND event.seq <= %(upto)s
        ORDER BY event.api_key_id, event.admitted_at DESC, event.seq DESC
    )
    INSERT INTO tenants_keyuse AS known (api_key_id, tenant_id, last_used_at, model)
    SELECT key.id, key.tenant_id, latest.admitted_at, price.model
    FROM latest
    JOIN tenants_apikey key ON key.id = latest.api_key_id
    JOIN pricing_price price ON price.id = latest.price_id
    ORDER BY key.id
    ON CONFLICT (api_key_id) DO UPDATE
        SET last_used_at = excluded.last_used_at, model = excluded.model
        WHERE known.last_used_at < excluded.last_used_at
"""
