"""Entries of a transaction sum to zero and never change."""

from django.db import migrations

from kit.orm.isolation import append_only, isolate

# One statement carries all entries of a transaction, so the check runs once per
# statement: a deferred check per row costs twenty times as much.
_SUM_ZERO = """
CREATE FUNCTION ledger_entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken bigint;
BEGIN
    SELECT entry.transaction_id INTO broken
    FROM ledger_entry entry
    JOIN ledger_account account ON account.id = entry.account_id
    WHERE entry.transaction_id IN (SELECT transaction_id FROM added)
    GROUP BY entry.transaction_id, account.currency
    HAVING sum(entry.amount_picos) <> 0
    LIMIT 1;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'entries of ledger transaction % do not sum to zero', broken
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_balance AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_balance();
"""
_UNDO = """
DROP TRIGGER entries_balance ON ledger_entry;
DROP FUNCTION ledger_entries_balance();
"""


class Migration(migrations.Migration):
    """Guard the books."""

    dependencies = [("ledger", "0001_initial"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(_SUM_ZERO, _UNDO),
        append_only("ledger_entry"),
        append_only("ledger_transaction"),
        append_only("ledger_dayposting"),
        isolate("ledger_account"),
        isolate("ledger_transaction"),
        isolate("ledger_entry"),
        isolate("ledger_dayposting"),
    ]
