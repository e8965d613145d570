"""Let a tenant read what it paid for a model before, and what is planned.

As the functions beside it, it runs as the owner and answers of a tenant about itself
alone. Each instant at which another book or version may begin is asked for the price
that holds from then on; the latest `most` of them, so that no book's age is felt.
"""

from django.db import migrations

_SIGNATURE = "pricing_own_history(bigint, text, integer)"
_HISTORY = """
CREATE FUNCTION pricing_own_history(tenant bigint, asked text, most integer)
RETURNS TABLE (
    starts_at timestamptz, price_id bigint, currency text, input_picos bigint,
    cached_input_picos bigint, output_picos bigint, version integer,
    effective_at timestamptz
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
    )
    SELECT change.instant, price.id, book.currency, price.input_picos,
        price.cached_input_picos, price.output_picos, held.number, held.effective_at
    FROM change
    LEFT JOIN LATERAL (
        SELECT * FROM pricing_pricebookversion each
        WHERE each.book_id = pricing_own_book(tenant, change.instant)
            AND each.published_at IS NOT NULL
            AND each.effective_at <= change.instant
        ORDER BY each.effective_at DESC LIMIT 1
    ) held ON true
    LEFT JOIN pricing_pricebook book ON book.id = held.book_id
    LEFT JOIN pricing_price price
        ON price.version_id = held.id AND price.model = asked
    ORDER BY change.instant
$$;
"""


class Migration(migrations.Migration):
    """Make the function and say who may call it."""

    dependencies = [("pricing", "0009_own_prices")]
    operations = [
        migrations.RunSQL(
            f"{_HISTORY} REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC;"
            f" GRANT EXECUTE ON FUNCTION {_SIGNATURE}"
            " TO tollgate_app, tollgate_operator;",
            f"DROP FUNCTION {_SIGNATURE}",
        )
    ]
