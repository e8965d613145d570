"""Let a tenant read the prices that a request of its own was charged by.

The function runs as the owner, because the table of prices is everybody's; a tenant is
answered about its own requests alone.
"""

from django.db import migrations

_PRICES = """
CREATE FUNCTION usage_prices_of(tenant bigint, request uuid) RETURNS TABLE (
    price_id bigint, input_picos bigint, cached_input_picos bigint,
    output_picos bigint, version integer, effective_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT price.id, price.input_picos, price.cached_input_picos, price.output_picos,
        version.number, version.effective_at
    FROM (
        SELECT event.price_id FROM usage_event event
        WHERE event.tenant_id = tenant AND event.request_id = request
        UNION
        SELECT event.price_id FROM usage_correction correction
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
        WHERE correction.tenant_id = tenant AND correction.corrects = request
    ) charged
    JOIN pricing_price price ON price.id = charged.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    WHERE session_user <> 'tollgate_app'
        OR tenant = nullif(current_setting('tollgate.tenant', true), '')::bigint
$$;
REVOKE ALL ON FUNCTION usage_prices_of(bigint, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_prices_of(bigint, uuid)
    TO tollgate_app, tollgate_operator;
"""


class Migration(migrations.Migration):
    """Make the function and say who may call it."""

    dependencies = [
        ("usage", "0010_periods"),
        ("pricing", "0001_initial"),
        ("config", "0001_roles"),
    ]
    operations = [
        migrations.RunSQL(_PRICES, "DROP FUNCTION usage_prices_of(bigint, uuid)")
    ]
