"""Let totals follow the merged sums of months, and hold what is locked from all sides.

Totals follow by triggers and not by the task that merges, so that workers of before and
after an upgrade may both merge meanwhile. Who merges holds the totals up to its end:
two would otherwise meet on the same rows in two orders.

A locked month is moved neither by a transaction that is dated inside nor by an entry or
a day posting added to one that is there already.
"""

from django.db import migrations

_ADDED = """
    INSERT INTO ledger_monthtotal AS total (
        month, account_kind, currency, kind, debited_picos, credited_picos
    )
    SELECT moved.month, account.kind, account.currency, moved.kind,
        sum(moved.debited_picos), sum(moved.credited_picos)
    FROM ({moved}) AS moved
    JOIN ledger_account account ON account.id = moved.account_id
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (month, account_kind, currency, kind) DO UPDATE SET
        debited_picos = total.debited_picos + excluded.debited_picos,
        credited_picos = total.credited_picos + excluded.credited_picos
"""
_COLUMNS = "month, account_id, kind, debited_picos, credited_picos"
_LESS = "month, account_id, kind, -debited_picos, -credited_picos"
_MERGED = "SELECT {columns} FROM {table} WHERE NOT is_part"
_INSERTED = _MERGED.format(columns=_COLUMNS, table="added")
_DELETED = _MERGED.format(columns=_LESS, table="gone")
_UPDATED = f"{_INSERTED} UNION ALL {_DELETED}"
_HELD = "pg_advisory_xact_lock(hashtextextended('ledger_month_totals', 0))"


def _follows(when: str, tables: str, moved: str) -> str:
    name = f"ledger_totals_follow_{when.lower()}"
    seen = "added" if when == "INSERT" else "gone"
    return f"""
CREATE FUNCTION {name}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM {seen} WHERE NOT is_part) THEN
        PERFORM {_HELD};
        {_ADDED.format(moved=moved)};
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER totals_follow_{when.lower()} AFTER {when} ON ledger_movement
    REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION {name}();
"""


_FOLLOW = (
    _follows("INSERT", "NEW TABLE AS added", _INSERTED)
    + _follows("UPDATE", "OLD TABLE AS gone NEW TABLE AS added", _UPDATED)
    + _follows("DELETE", "OLD TABLE AS gone", _DELETED)
)
_UNFOLLOW = "".join(
    f"""
DROP TRIGGER totals_follow_{when} ON ledger_movement;
DROP FUNCTION ledger_totals_follow_{when}();
"""
    for when in ("insert", "update", "delete")
)
# What is merged already is summed while nobody merges: each row is counted once.
_ALREADY = _MERGED.format(columns=_COLUMNS, table="ledger_movement")
_BEGIN = f"""
LOCK TABLE ledger_movement IN SHARE ROW EXCLUSIVE MODE;
{_ADDED.format(moved=_ALREADY)};
"""
_RIGHTS = """
REVOKE ALL ON ledger_monthtotal FROM tollgate_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ledger_monthtotal FROM tollgate_operator;
"""
_NO_RIGHTS = "GRANT INSERT, UPDATE, DELETE ON ledger_monthtotal TO tollgate_operator"

_HELD_OPEN = "pg_advisory_xact_lock_shared(hashtextextended('ledger_months', 0))"
_ADDED_TO = f"""
CREATE FUNCTION ledger_refuse_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    last date;
BEGIN
    PERFORM {_HELD_OPEN};
    SELECT max(month) INTO last FROM ledger_lockedmonth WHERE reopened_at IS NULL;
    -- What lies well behind the last locked month needs no look at the tenant's days.
    IF last IS NOT NULL AND EXISTS (
        SELECT FROM (SELECT DISTINCT transaction_id FROM added) AS entry
        CROSS JOIN LATERAL (
            SELECT tenant_id, occurred_at FROM ledger_transaction
            WHERE id = entry.transaction_id OFFSET 0
        ) AS booked
        WHERE booked.occurred_at <= (last + interval '1 month 2 days') AT TIME ZONE 'UTC'
            AND ledger_is_locked(booked.tenant_id, booked.occurred_at)
    ) THEN
        RAISE EXCEPTION 'the month that this is added to is locked'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER locked_months_refuse AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_added();
CREATE TRIGGER locked_months_refuse AFTER INSERT ON ledger_dayposting
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_added();
"""  # noqa: S608 - put together from the constants above
_NOT_ADDED_TO = """
DROP TRIGGER locked_months_refuse ON ledger_dayposting;
DROP TRIGGER locked_months_refuse ON ledger_entry;
DROP FUNCTION ledger_refuse_added();
"""
# Gateways end grants of credit and operators post; a tenant has no use for it.
_SIGNATURE = "ledger_is_locked(bigint, timestamptz)"
_NARROW = f"""
REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO tollgate_operator, tollgate_gateway;
"""
_WIDE = f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO PUBLIC"


class Migration(migrations.Migration):
    """Fill the totals and let them follow; hold locked months, and who may ask."""

    dependencies = [("ledger", "0017_month_totals"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_BEGIN, "TRUNCATE ledger_monthtotal"),
        migrations.RunSQL(_FOLLOW, _UNFOLLOW),
        migrations.RunSQL(_RIGHTS, _NO_RIGHTS),
        migrations.RunSQL(_ADDED_TO, _NOT_ADDED_TO),
        migrations.RunSQL(_NARROW, _WIDE),
    ]
