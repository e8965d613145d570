"""Let a tenant read its prices over time for many models at once.

The instants at which a price may change, and the version that holds from each on, are
the same for all models: they are found once. The function for one model stays, for
processes of before this release.
"""

from django.db import migrations

_SIGNATURE = "pricing_own_histories(bigint, text[], integer)"
_HISTORIES = """
CREATE FUNCTION pricing_own_histories(tenant bigint, asked text[], most integer)
RETURNS TABLE (
    model text, starts_at timestamptz, price_id bigint, currency text,
    input_picos bigint, cached_input_picos bigint, output_picos bigint,
    version integer, effective_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH owner AS (
        SELECT id, currency, created_at FROM tenants_tenant
        WHERE id = tenant AND (
            session_user <> 'tollgate_app'
            OR tenant = nullif(current_setting('tollgate.tenant', true), '')::bigint
        )
    ), spans AS (
        SELECT contract.starts_at,
            coalesce(contract.ended_at, contract.ends_at) AS ends_at, book.id AS book_id
        FROM owner JOIN pricing_contract contract ON contract.tenant_id = owner.id
        JOIN pricing_pricebook book ON book.derived_for_id = contract.id
        WHERE contract.signed_at IS NOT NULL
        UNION ALL
        SELECT assigned.starts_at, assigned.ends_at, assigned.book_id
        FROM owner
        JOIN pricing_pricebookassignment assigned ON assigned.tenant_id = owner.id
        UNION ALL
        SELECT NULL, NULL, book.id FROM owner
        JOIN pricing_pricebook book
            ON book.currency = owner.currency AND book.is_default
    ), change AS (
        SELECT found.instant FROM (
            SELECT spans.starts_at AS instant FROM spans
            UNION SELECT spans.ends_at FROM spans
            UNION SELECT published.effective_at FROM spans
                JOIN pricing_pricebookversion published USING (book_id)
                WHERE published.published_at IS NOT NULL
            UNION SELECT owner.created_at FROM owner
        ) found, owner
        WHERE found.instant >= owner.created_at
        ORDER BY found.instant DESC LIMIT most
    ), held AS MATERIALIZED (
        SELECT change.instant, version.id AS version_id, version.number,
            version.effective_at, book.currency
        FROM change
        LEFT JOIN LATERAL (
            SELECT * FROM pricing_pricebookversion each
            WHERE each.book_id = pricing_own_book(tenant, change.instant)
                AND each.published_at IS NOT NULL
                AND each.effective_at <= change.instant
            ORDER BY each.effective_at DESC LIMIT 1
        ) version ON true
        LEFT JOIN pricing_pricebook book ON book.id = version.book_id
    )
    SELECT named.model, held.instant, price.id, held.currency, price.input_picos,
        price.cached_input_picos, price.output_picos, held.number, held.effective_at
    FROM unnest(asked) AS named (model)
    CROSS JOIN held
    LEFT JOIN pricing_price price
        ON price.version_id = held.version_id AND price.model = named.model
    ORDER BY named.model, held.instant
$$;
"""


class Migration(migrations.Migration):
    """Make the function and say who may call it."""

    dependencies = [("pricing", "0010_own_history")]
    operations = [
        migrations.RunSQL(
            f"{_HISTORIES} REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC;"
            f" GRANT EXECUTE ON FUNCTION {_SIGNATURE}"
            " TO tollgate_app, tollgate_operator;",
            f"DROP FUNCTION {_SIGNATURE}",
        )
    ]
