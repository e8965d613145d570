"""Open windows without holding up settlements while their past use is summed up.

A tenant may have millions of rollups. They are summed in one statement that also notes
how far each epoch had come in the moment that it sees; only then is the epochs' table
locked, for as long as it takes to add the few events that came meanwhile.
"""

from django.db import migrations

_ASKED = "bigint[], text[], bigint[], text[], text[], text[], text[], timestamptz[]"

# What was committed after each epoch stood as `counted` says. An epoch that was closed
# before `since` takes no more events; one that is not in `counted` had none.
_USED_SINCE = """
CREATE FUNCTION budgets_used_since(
    place budgets_window, counted jsonb, since timestamptz
) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(CASE
        WHEN place.kind <> 'quota' THEN event.charge_picos
        WHEN place.unit = 'input_tokens'
            THEN event.input_tokens + event.cached_input_tokens
        WHEN place.unit = 'output_tokens' THEN event.output_tokens
        ELSE event.input_tokens + event.cached_input_tokens + event.output_tokens
        END), 0)
    FROM usage_epoch epoch
    JOIN usage_event event ON event.epoch_id = epoch.id
        AND event.seq > coalesce((counted ->> epoch.id::text)::bigint, 0)
    WHERE (epoch.state = 'open' OR epoch.closed_at > since)
        AND epoch.last_seq > coalesce((counted ->> epoch.id::text)::bigint, 0)
        AND event.tenant_id = place.tenant_id
        AND event.admitted_at >= place.starts_at AND event.admitted_at < place.ends_at
        AND CASE place.level WHEN 'tenant' THEN true
            WHEN 'project' THEN event.project_id = place.holder_id
            ELSE event.api_key_id = place.holder_id END
        AND (place.model = '' OR place.model = (
            SELECT price.model FROM pricing_price price WHERE price.id = event.price_id))
$$;
"""

_OPEN = """
CREATE OR REPLACE FUNCTION budgets_open(
    tenants bigint[], levels text[], holders bigint[], kinds text[], units text[],
    windows text[], models text[], at timestamptz[]
) RETURNS TABLE (number bigint, window_id bigint, starts_us bigint, ends_us bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
    missing boolean;
    begun boolean;
    -- Closed well before what is summed up now was seen.
    since timestamptz := clock_timestamp() - interval '1 minute';
    counted jsonb;
    seeded budgets_window[];
BEGIN
    SELECT bool_or(there IS NULL),
           bool_or(there IS NULL AND starts_at < clock_timestamp() + interval '5 seconds')
    INTO missing, begun
    FROM budgets_places(tenants, levels, holders, kinds, units, windows, models, at);
    IF missing THEN
        -- One statement, so that the sums are as of the numbers beside them.
        SELECT (
            SELECT coalesce(jsonb_object_agg(epoch.id, epoch.last_seq), '{}')
            FROM usage_epoch epoch
            WHERE epoch.state = 'open' OR epoch.closed_at > since - interval '1 minute'
        ), array_agg(jsonb_populate_record(NULL::budgets_window, fresh.place
            || jsonb_build_object('posted', CASE WHEN begun THEN budgets_used(
                jsonb_populate_record(NULL::budgets_window, fresh.place)
            ) ELSE 0 END)))
        INTO counted, seeded
        FROM (
            SELECT DISTINCT to_jsonb(asked) - 'number' - 'there' AS place
            FROM budgets_places(
                tenants, levels, holders, kinds, units, windows, models, at) AS asked
            WHERE asked.there IS NULL
        ) fresh;
        IF begun THEN
            LOCK TABLE usage_epoch IN SHARE ROW EXCLUSIVE MODE;
        END IF;
        INSERT INTO budgets_window (
            tenant_id, level, holder_id, kind, unit, "window", model, starts_at, ends_at,
            posted
        )
        SELECT fresh.tenant_id, fresh.level, fresh.holder_id, fresh.kind, fresh.unit,
               fresh."window", fresh.model, fresh.starts_at, fresh.ends_at,
               fresh.posted + CASE WHEN begun
                   THEN budgets_used_since(fresh, counted, since) ELSE 0 END
        FROM unnest(seeded) AS fresh
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

# As 0002 has it: all is summed up under the lock.
_OPEN_BEFORE = """
CREATE OR REPLACE FUNCTION budgets_open(
    tenants bigint[], levels text[], holders bigint[], kinds text[], units text[],
    windows text[], models text[], at timestamptz[]
) RETURNS TABLE (number bigint, window_id bigint, starts_us bigint, ends_us bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
BEGIN
    LOCK TABLE usage_epoch IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO budgets_window (
        tenant_id, level, holder_id, kind, unit, "window", model, starts_at, ends_at,
        posted
    )
    SELECT DISTINCT fresh.tenant_id, fresh.level, fresh.holder_id, fresh.kind,
           fresh.unit, fresh."window", fresh.model, fresh.starts_at, fresh.ends_at,
           budgets_used(jsonb_populate_record(NULL::budgets_window, to_jsonb(fresh)))
    FROM budgets_places(tenants, levels, holders, kinds, units, windows, models, at)
        AS fresh
    WHERE fresh.there IS NULL
    ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT DO NOTHING;
    RETURN QUERY
    SELECT place.number, place.there,
           (extract(epoch FROM place.starts_at) * 1000000)::bigint,
           (extract(epoch FROM place.ends_at) * 1000000)::bigint
    FROM budgets_places(tenants, levels, holders, kinds, units, windows, models, at)
        AS place
    WHERE place.there IS NOT NULL;
END $$;
"""

_SIGNATURE = "budgets_used_since(budgets_window, jsonb, timestamptz)"


class Migration(migrations.Migration):
    """Sum up first, lock after."""

    dependencies = [("budgets", "0003_standing")]
    operations = [
        migrations.RunSQL(
            f"{_USED_SINCE} REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC;",
            f"DROP FUNCTION {_SIGNATURE}",
        ),
        migrations.RunSQL(_OPEN, _OPEN_BEFORE),
    ]
