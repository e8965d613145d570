"""Let a tenant read what it pays, and nothing of what others do.

The functions run as the owner, because the tables of prices tell contracts of everybody;
of whoever comes as a tenant they answer about that tenant alone. Which book holds is
said here as `metering.pricing.selectors.book_of` says it.
"""

from django.db import migrations

_BOOK = """
CREATE FUNCTION pricing_own_book(tenant bigint, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(
        (SELECT book.id FROM pricing_contract contract
         JOIN pricing_pricebook book ON book.derived_for_id = contract.id
         WHERE contract.tenant_id = owner.id AND contract.signed_at IS NOT NULL
            AND contract.starts_at <= at
            AND coalesce(contract.ended_at, contract.ends_at, 'infinity') > at),
        (SELECT assigned.book_id FROM pricing_pricebookassignment assigned
         WHERE assigned.tenant_id = owner.id AND assigned.starts_at <= at
            AND coalesce(assigned.ends_at, 'infinity') > at),
        (SELECT book.id FROM pricing_pricebook book
         WHERE book.currency = owner.currency AND book.is_default)
    )
    FROM tenants_tenant owner
    WHERE owner.id = tenant AND (
        session_user <> 'tollgate_app'
        OR tenant = nullif(current_setting('tollgate.tenant', true), '')::bigint
    )
$$;
"""
_PRICES = """
CREATE FUNCTION pricing_own_prices(tenant bigint, at timestamptz) RETURNS TABLE (
    price_id bigint, model text, currency text, input_picos bigint,
    cached_input_picos bigint, output_picos bigint, version integer,
    effective_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT price.id, price.model, book.currency, price.input_picos,
        price.cached_input_picos, price.output_picos, version.number,
        version.effective_at
    FROM (
        SELECT * FROM pricing_pricebookversion
        WHERE book_id = pricing_own_book(tenant, at)
            AND published_at IS NOT NULL AND pricing_pricebookversion.effective_at <= at
        ORDER BY pricing_pricebookversion.effective_at DESC LIMIT 1
    ) version
    JOIN pricing_pricebook book ON book.id = version.book_id
    JOIN pricing_price price ON price.version_id = version.id
    ORDER BY price.model
$$;
"""
_NEXT = """
CREATE FUNCTION pricing_own_next_change(tenant bigint, at timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT min(change.instant) FROM (
        SELECT version.effective_at AS instant FROM pricing_pricebookversion version
        WHERE version.book_id = pricing_own_book(tenant, at)
            AND version.published_at IS NOT NULL
        UNION ALL
        SELECT unnest(ARRAY[
            contract.starts_at, coalesce(contract.ended_at, contract.ends_at)
        ]) FROM pricing_contract contract
        WHERE contract.tenant_id = tenant AND contract.signed_at IS NOT NULL
        UNION ALL
        SELECT unnest(ARRAY[assigned.starts_at, assigned.ends_at])
        FROM pricing_pricebookassignment assigned WHERE assigned.tenant_id = tenant
    ) change
    WHERE change.instant > at AND pricing_own_book(tenant, at) IS NOT NULL
$$;
"""
_FUNCTIONS = (
    (_BOOK, "pricing_own_book(bigint, timestamptz)"),
    (_PRICES, "pricing_own_prices(bigint, timestamptz)"),
    (_NEXT, "pricing_own_next_change(bigint, timestamptz)"),
)


class Migration(migrations.Migration):
    """Make the functions and say who may call them."""

    dependencies = [
        ("pricing", "0008_earlier_ends"),
        ("tenants", "0001_initial"),
        ("config", "0001_roles"),
    ]
    operations = [
        migrations.RunSQL(
            f"{sql} REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;"
            f" GRANT EXECUTE ON FUNCTION {signature} TO tollgate_app, tollgate_operator;",
            f"DROP FUNCTION {signature}",
        )
        for sql, signature in _FUNCTIONS
    ]
