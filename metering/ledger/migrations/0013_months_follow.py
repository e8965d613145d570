"""Let the sums of months follow what is booked, and begin with what is booked already.

A transaction is booked on the tenant's billing day that holds its instant, the day's
end included: use of a day is booked as it ends. Where a tenant has no billing day, its
zone says which day it is. The functions of the triggers run as the owner, so that
whoever books needs no rights on the sums.
"""

from django.db import migrations

from kit.orm.isolation import isolate

_BOOK_DATE = """
CREATE FUNCTION ledger_book_date(tenant bigint, at timestamptz) RETURNS date
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (
            SELECT CASE WHEN ends_at >= at THEN date END FROM usage_billingday
            WHERE tenant_id = tenant AND starts_at < at
            ORDER BY starts_at DESC LIMIT 1
        ),
        (
            SELECT ((at - interval '1 microsecond') AT TIME ZONE zone)::date
            FROM tenants_tenant WHERE id = tenant
        ),
        ((at - interval '1 microsecond') AT TIME ZONE 'UTC')::date
    )
$$;
"""

# The transaction is looked up for each entry: how many rows were added is guessed badly
# by plans that are kept, and a wrong guess reads all transactions there are.
_MOVED = """
    INSERT INTO ledger_movement (
        tenant_id, month, account_id, kind, debited_picos, credited_picos, is_part
    )
    SELECT moved.tenant_id, dated.month, moved.account_id, moved.kind,
        sum(moved.debited), sum(moved.credited), true
    FROM (
        SELECT entry.tenant_id, entry.account_id, booked.kind, booked.occurred_at,
            sum(greatest(entry.amount_picos, 0)) AS debited,
            sum(greatest(-entry.amount_picos, 0)) AS credited
        FROM {entries} entry
        CROSS JOIN LATERAL (
            SELECT kind, occurred_at FROM ledger_transaction
            WHERE id = entry.transaction_id OFFSET 0
        ) AS booked
        GROUP BY 1, 2, 3, 4
    ) AS moved
    CROSS JOIN LATERAL (
        SELECT date_trunc(
            'month', ledger_book_date(moved.tenant_id, moved.occurred_at)
        )::date AS month OFFSET 0
    ) AS dated
    GROUP BY 1, 2, 3, 4
"""
_SOLD = """
    INSERT INTO ledger_posteduse (
        tenant_id, month, price_id, token_class, quantity, charge_picos, is_part
    )
    SELECT sold.tenant_id, dated.month, sold.price_id, sold.token_class,
        sum(sold.quantity), sum(sold.charge_picos), true
    FROM (
        SELECT posting.tenant_id, posting.price_id, posting.token_class,
            booked.occurred_at, sum(posting.quantity) AS quantity,
            sum(posting.charge_picos) AS charge_picos
        FROM {postings} posting
        CROSS JOIN LATERAL (
            SELECT occurred_at FROM ledger_transaction
            WHERE id = posting.transaction_id OFFSET 0
        ) AS booked
        GROUP BY 1, 2, 3, 4
    ) AS sold
    CROSS JOIN LATERAL (
        SELECT date_trunc(
            'month', ledger_book_date(sold.tenant_id, sold.occurred_at)
        )::date AS month OFFSET 0
    ) AS dated
    GROUP BY 1, 2, 3, 4
"""
_FOLLOW = f"""
CREATE FUNCTION ledger_movements_follow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    {_MOVED.format(entries="added")};
    RETURN NULL;
END $$;
CREATE TRIGGER movements_follow AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_movements_follow();
CREATE FUNCTION ledger_use_follows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    {_SOLD.format(postings="added")};
    RETURN NULL;
END $$;
CREATE TRIGGER use_follows AFTER INSERT ON ledger_dayposting
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_use_follows();
"""
_UNFOLLOW = """
DROP TRIGGER use_follows ON ledger_dayposting;
DROP FUNCTION ledger_use_follows();
DROP TRIGGER movements_follow ON ledger_entry;
DROP FUNCTION ledger_movements_follow();
"""
# What is booked already is summed while nobody books: each entry is counted once.
_BEGIN = f"""
LOCK TABLE ledger_entry, ledger_dayposting IN SHARE ROW EXCLUSIVE MODE;
{_MOVED.format(entries="ledger_entry")};
{_SOLD.format(postings="ledger_dayposting")};
"""


class Migration(migrations.Migration):
    """Isolate the sums, fill them, and let them follow."""

    dependencies = [
        ("ledger", "0012_months"),
        ("usage", "0010_periods"),
        ("tenants", "0017_suspended_for"),
        ("config", "0001_roles"),
    ]
    operations = [
        isolate("ledger_movement"),
        isolate("ledger_posteduse"),
        migrations.RunSQL(
            _BOOK_DATE, "DROP FUNCTION ledger_book_date(bigint, timestamptz)"
        ),
        migrations.RunSQL(_BEGIN, migrations.RunSQL.noop),
        migrations.RunSQL(_FOLLOW, _UNFOLLOW),
    ]
