"""The event table: partitioned by id, append-only, written by gateways.

Partitions are calendar months of the id's instant. The operator role, which is not the
owner, makes the coming ones through `usage_make_partition`; the default partition
catches what has none.
"""

from django.db import migrations

from kit.orm.isolation import append_only, grant, isolate, open_to_gateway

_EVENTS = """
CREATE TABLE usage_event (
    request_id uuid NOT NULL,
    admitted_at timestamptz NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tenant_id bigint NOT NULL,
    project_id bigint NOT NULL,
    api_key_id bigint NOT NULL,
    price_id bigint NOT NULL,
    replica_id bigint NOT NULL,
    epoch_id bigint NOT NULL,
    seq bigint NOT NULL,
    charge_picos bigint NOT NULL,
    first_token_us bigint,
    duration_us bigint NOT NULL,
    input_tokens integer NOT NULL,
    cached_input_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    reasoning_tokens integer NOT NULL,
    generated_tokens integer NOT NULL,
    kind smallint NOT NULL,
    status smallint NOT NULL,
    counted_by smallint NOT NULL,
    surface smallint NOT NULL,
    streamed boolean NOT NULL,
    corrects uuid,
    PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT correction_names_its_event CHECK ((kind = 0) = (corrects IS NULL)),
    CONSTRAINT request_counts_are_whole CHECK (
        kind <> 0 OR (
            input_tokens >= 0 AND cached_input_tokens >= 0 AND output_tokens >= 0
            AND reasoning_tokens BETWEEN 0 AND output_tokens AND charge_picos >= 0
        )
    )
) PARTITION BY RANGE (request_id);
CREATE TABLE usage_event_default PARTITION OF usage_event DEFAULT;
CREATE INDEX usage_event_epoch_seq ON usage_event (epoch_id, seq);
CREATE INDEX usage_event_request ON usage_event USING brin (request_id)
    WITH (pages_per_range = 32, autosummarize = on);

CREATE FUNCTION usage_uuid_floor(instant timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM instant) * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid
$$;

CREATE FUNCTION usage_make_partition(month date) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'usage_event_' || to_char(first, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('usage_make_partition'));
    IF to_regclass(name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF usage_event FOR VALUES FROM (%L) TO (%L)',
            name,
            usage_uuid_floor(first::timestamp AT TIME ZONE 'UTC'),
            usage_uuid_floor((first + interval '1 month') AT TIME ZONE 'UTC')
        );
        EXECUTE format(
            'ALTER TABLE %I SET (autovacuum_vacuum_insert_threshold = 1000000, '
            'autovacuum_vacuum_insert_scale_factor = 0)', name
        );
        EXECUTE format('REVOKE ALL ON %I FROM tollgate_operator', name);
    END IF;
    RETURN name;
END $$;
REVOKE ALL ON FUNCTION usage_make_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_make_partition(date) TO tollgate_operator;
REVOKE ALL ON usage_event_default FROM tollgate_operator;
SELECT usage_make_partition(current_date);
SELECT usage_make_partition((current_date + interval '1 month')::date);
"""
_UNDO = """
DROP FUNCTION usage_make_partition(date);
DROP TABLE usage_event;
DROP FUNCTION usage_uuid_floor(timestamptz);
"""
_COLUMNS = (
    "request_id, admitted_at, tenant_id, project_id, api_key_id, price_id, replica_id, epoch_id, "
    "seq, charge_picos, first_token_us, duration_us, input_tokens, cached_input_tokens, "
    "output_tokens, reasoning_tokens, generated_tokens, kind, status, counted_by, surface, "
    "streamed, corrects"
)


class Migration(migrations.Migration):
    """Make the event table and its rights."""

    dependencies = [("usage", "0001_initial"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_EVENTS, _UNDO),
        append_only("usage_event"),
        append_only("usage_correction"),
        isolate("usage_event"),
        isolate("usage_correction"),
        isolate("usage_billingday"),
        isolate("usage_dayrollup"),
        open_to_gateway("usage_event", privileges=f"SELECT, INSERT ({_COLUMNS})"),
        open_to_gateway("usage_correction", privileges="SELECT, INSERT"),
        grant(
            "usage_epoch", to="tollgate_gateway", privileges="SELECT, INSERT, UPDATE"
        ),
        migrations.RunSQL(
            "GRANT USAGE ON SEQUENCE usage_epoch_id_seq TO tollgate_gateway",
            "REVOKE USAGE ON SEQUENCE usage_epoch_id_seq FROM tollgate_gateway",
        ),
        migrations.RunSQL(
            "ALTER TABLE usage_epoch SET (fillfactor = 50)",
            "ALTER TABLE usage_epoch RESET (fillfactor)",
        ),
    ]
