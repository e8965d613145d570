"""Epochs, events, rollups and postings, each broken once and found."""

import pytest

from tests.databases import Database
from tests.metering.reconciliation.damage import Damage, require_seen

# Of the fourteen events the last is not rolled up, and the one before is not posted.
_FIRST = "(SELECT min(id) FROM tenants_tenant)"
_INVOICE = f"(SELECT id FROM billing_invoice WHERE tenant_id = {_FIRST})"
_EPOCHS = (
    Damage(
        "a request lost",
        "UPDATE usage_epoch SET admitted = admitted + 1",
        {"epochs_counted": 1},
        "13 admitted / 12 settled and 0 voided",
    ),
    Damage(
        "a number left out",
        "UPDATE usage_event SET seq = 3 WHERE seq = 2",
        {"epochs_numbered": 2},
        "#1, numbers 2 to 2: 1 events / none",
    ),
    Damage(
        "the last number missing",
        "UPDATE usage_epoch SET last_seq = last_seq + 1",
        {"epochs_numbered": 1},
        "#1, numbers 15 to 15: 1 events / none",
    ),
    Damage(
        "a number too many",
        "UPDATE usage_epoch SET last_seq = last_seq - 1",
        {"epochs_numbered": 1},
        "#1, numbers after 13: none / events up to 14",
    ),
    Damage(
        "an epoch deleted",
        "DELETE FROM usage_epoch",
        {"epochs_numbered": 1, "windows_posted": 2},
        "an epoch / 14 events of none",
    ),
    Damage(
        "a request settled without an event",
        "UPDATE usage_epoch SET settled = settled + 1, admitted = admitted + 1",
        {"epochs_settled": 1},
        "13 settled / 12 requests",
    ),
)
_EVENTS = (
    Damage(
        "an event deleted",
        "DELETE FROM usage_event WHERE seq = 1",
        {
            "days_rolled_up": 5,
            "epochs_numbered": 1,
            "epochs_settled": 1,
            "hours_rolled_up": 1,
            "key_hours_rolled_up": 1,
            "utc_days_rolled_up": 1,
        },
        "2026-09-10, project",
    ),
    Damage(
        "an event deleted that nothing was made of yet",
        "DELETE FROM usage_event WHERE seq = 14",
        {"epochs_numbered": 1, "epochs_settled": 1, "windows_posted": 1},
        "#1, numbers 14 to 14: 1 events / none",
    ),
    Damage(
        "a charge changed",
        "UPDATE usage_event SET charge_picos = charge_picos + 1 WHERE seq = 1",
        {"events_rated": 1},
        ": 5414805600000 picos / 5414805600001 picos",
    ),
    Damage(
        "a price that is not",
        "UPDATE usage_event SET price_id = 99 WHERE seq = 14",
        {"events_rated": 1},
        ": a price 99 / 5414805600000 picos",
    ),
    Damage(
        "an event charged to another tenant",
        f"UPDATE usage_event SET tenant_id = {_FIRST} WHERE seq = 14",
        {"events_owned": 1, "windows_posted": 2},
        "1 events: tenant",
    ),
    Damage(
        "a key that is not",
        "UPDATE usage_event SET api_key_id = 99 WHERE seq = 14",
        {"events_owned": 1},
        "1 events: a key 99 / tenant",
    ),
    Damage(
        "a correction unlisted",
        "DELETE FROM usage_correction WHERE request_id ="
        " (SELECT request_id FROM usage_event WHERE seq = 4)",
        {"events_corrected": 1},
        "its row in the list of corrections / 0 rows",
    ),
    Damage(
        "a correction listed that is not",
        "INSERT INTO usage_correction SELECT tenant_id, corrects, 4, source,"
        " gen_random_uuid() FROM usage_correction LIMIT 1",
        {"events_corrected": 1},
        "an event / a row of the list only",
    ),
    Damage(
        "a correction of nothing",
        "WITH original AS (SELECT gen_random_uuid() AS id), side AS ("
        " UPDATE usage_correction SET corrects = original.id FROM original"
        " WHERE request_id = (SELECT request_id FROM usage_event WHERE seq = 4))"
        " UPDATE usage_event SET corrects = original.id FROM original WHERE seq = 4",
        {"events_corrected": 1},
        " / no such request",
    ),
    Damage(
        "an event astray",
        "UPDATE usage_event SET request_id = '01700000-0000-7000-8000-000000000000'"
        " WHERE seq = 14",
        {"events_placed": 1},
        "default partition: no event / events",
    ),
)
_ROLLUPS = (
    Damage(
        "a billing day moved",
        "UPDATE usage_billingday SET starts_at = starts_at + interval '1 hour'"
        f" WHERE date = '2026-09-20' AND tenant_id = {_FIRST}",
        {"days_join": 1},
        "billing day 2026-09-20: a start at 2026-09-20 00:00:00+00",
    ),
    Damage(
        "a billing day moved away from its event",
        "UPDATE usage_billingday SET starts_at = starts_at + interval '1 hour'"
        f" WHERE date = '2026-09-11' AND tenant_id = {_FIRST}",
        {"days_rolled_up": 10, "days_join": 1},
        "days_rolled_up: no billing day, project",
    ),
    Damage(
        "a posted rollup changed",
        "UPDATE usage_dayrollup SET quantity = quantity + 1, charge_picos ="
        " charge_picos + 3000000 WHERE date = '2026-10-02' AND token_class = 1"
        f" AND tenant_id = {_FIRST}",
        {"days_rolled_up": 1, "days_posted": 1, "windows_posted": 1},
        "input: 1234567 for 3703701000000 picos / 1234568 for 3703704000000 picos",
    ),
    Damage(
        "a rollup changed that is not posted",
        "UPDATE usage_dayrollup SET charge_picos = charge_picos + 1"
        f" WHERE date = '2026-10-05' AND token_class = 1 AND tenant_id = {_FIRST}",
        {"days_rolled_up": 1, "windows_posted": 1},
        "input: 1234567 for 3703701000000 picos / 1234567 for 3703701000001 picos",
    ),
    Damage(
        "a rollup deleted",
        f"DELETE FROM usage_dayrollup WHERE token_class = 0 AND tenant_id = {_FIRST}"
        " AND date = '2026-10-02'",
        {"days_rolled_up": 1},
        "requests: 1 for 0 picos / 0 for 0 picos",
    ),
    Damage(
        "a rollup of nothing",
        "INSERT INTO usage_dayrollup SELECT tenant_id, '2026-09-30', project_id,"
        " api_key_id, price_id, 4, 7, 0 FROM usage_dayrollup LIMIT 1",
        {"days_rolled_up": 1},
        "2026-09-30, project",
    ),
    Damage(
        "an hour changed",
        "UPDATE usage_hourrollup SET output_tokens = output_tokens + 1"
        f" WHERE hour = '2026-10-02T12:00Z' AND tenant_id = {_FIRST}",
        {"hours_rolled_up": 1, "hours_totalled": 1},
        "hours_rolled_up: 2026-10-02T12:00Z, price",
    ),
    Damage(
        "an hour of a key told of another",
        "UPDATE usage_keyhourrollup SET api_key_id = api_key_id + 90"
        f" WHERE hour = '2026-10-02T12:00Z' AND tenant_id = {_FIRST}",
        {"key_hours_rolled_up": 2},
        "key_hours_rolled_up: 2026-10-02T12:00Z, project",
    ),
    Damage(
        "the bound of hours by key lost",
        "DELETE FROM usage_keyhourspan",
        {"key_hours_rolled_up": 1},
        "hours by key: an hour from which on they are kept / none",
    ),
    Damage(
        "a day of UTC changed",
        "UPDATE usage_utcrollup SET charge_picos = charge_picos + 1"
        f" WHERE NOT is_month AND date = '2026-10-02' AND tenant_id = {_FIRST}",
        {"utc_days_rolled_up": 1, "utc_months_summed": 1, "hours_totalled": 1},
        "2026-10-02, UTC, project",
    ),
    Damage(
        "a month of UTC deleted",
        "DELETE FROM usage_utcrollup"
        f" WHERE is_month AND date = '2026-10-01' AND tenant_id = {_FIRST}",
        {"utc_months_summed": 1},
        "2026-10, UTC, project",
    ),
    Damage(
        "an hour of all tenants changed",
        "UPDATE usage_hourtotal SET requests = requests + 1"
        " WHERE hour = '2026-10-02T12:00Z'",
        {"hours_totalled": 4},
        "2026-10-02T12:00Z, all tenants",
    ),
)
_POSTINGS = (
    Damage(
        "a changed day forgotten",
        "DELETE FROM usage_changedday"
        f" WHERE date = '2026-10-05' AND tenant_id = {_FIRST}",
        {"days_posted": 3},
        "input: 1234567 for 3703701000000 picos / 0 for 0 picos",
    ),
    Damage(
        "a posting changed",
        "UPDATE ledger_dayposting SET charge_picos = charge_picos + 1"
        f" WHERE date = '2026-10-02' AND token_class = 1 AND tenant_id = {_FIRST}",
        {"days_posted": 1, "postings_booked": 1, "months_summed": 1},
        "1234567 for 3703701000000 picos / 1234567 for 3703701000001 picos",
    ),
    Damage(
        "a posting deleted",
        "DELETE FROM ledger_dayposting"
        f" WHERE date = '2026-10-02' AND token_class = 1 AND tenant_id = {_FIRST}",
        {"postings_booked": 1, "days_posted": 1, "months_summed": 1},
        "no transaction / accrued 3703701000000, revenue -3703701000000 picos, USD",
    ),
    Damage(
        "a posting booked as another amount",
        "UPDATE ledger_entry SET amount_picos = amount_picos + sign(amount_picos)"
        " WHERE transaction_id = (SELECT transaction_id FROM ledger_dayposting"
        f" WHERE date = '2026-10-02' AND token_class = 1 AND tenant_id = {_FIRST})",
        {"postings_booked": 1, "months_summed": 2},
        " / accrued 3703701000001, revenue -3703701000001 picos, USD, as 2026-10-02",
    ),
    Damage(
        "a mark that stops short",
        f"UPDATE billing_invoice SET posted_to = posted_to - 1 WHERE id = {_INVOICE}",
        {"lines_sum_claims": 1, "invoices_booked": 1, "invoices_hashed": 1},
        "line ",
    ),
    Damage(
        "a mark that reaches into the next month",
        f"UPDATE billing_invoice SET days_to = '2026-11-01', posted_to = 1000"
        f" WHERE id = {_INVOICE}",
        {
            "marks_follow": 1,
            "lines_sum_claims": 3,
            "invoices_booked": 1,
            "invoices_hashed": 1,
        },
        "of days before any, to 2026-10-01 / after none of days before any, to"
        " 2026-11-01",
    ),
    Damage(
        "a mark that begins nowhere",
        "UPDATE billing_invoice SET days_from = '2026-09-11', posted_from = 0"
        f" WHERE id = {_INVOICE}",
        {
            "marks_follow": 1,
        },
        "after none of days before any, to 2026-10-01 / after 0 of days before"
        " 2026-09-11",
    ),
    Damage(
        "a posting charged by the invoice of an earlier month",
        f"UPDATE billing_period SET end_date = '2026-09-11' WHERE tenant_id = {_FIRST}",
        {"marks_follow": 1},
        ", to 2026-09-11 / after none of days before any, to 2026-10-01",
    ),
)
_CREDIT = f"(SELECT min(id) FROM budgets_window WHERE tenant_id = {_FIRST})"
_BUDGETS = (
    Damage(
        "more posted than was used",
        f"UPDATE budgets_window SET posted = posted + 1 WHERE id = {_CREDIT}",
        {"windows_posted": 1},
        ": credit of tenant",
    ),
    Damage(
        "an event that was not posted",
        "UPDATE usage_event SET charge_picos = charge_picos + 1 WHERE seq = 14",
        {"windows_posted": 1, "events_rated": 1},
        ": credit of tenant",
    ),
    Damage(
        "less than nothing posted",
        f"UPDATE budgets_window SET posted = -1 WHERE id = {_CREDIT}",
        {"windows_leased": 1, "windows_posted": 1},
        "nothing below zero / -1 posted",
    ),
    Damage(
        "a lease of a closed epoch",
        "INSERT INTO budgets_lease (window_id, epoch_id, tenant_id, amount, used)"
        f" SELECT {_CREDIT}, id, {_FIRST}, 7, 0 FROM usage_epoch",
        {"windows_leased": 1},
        "no lease of a closed epoch / 7 leased",
    ),
    Damage(
        "a lease of no epoch, below zero",
        "ALTER TABLE budgets_lease DROP CONSTRAINT budget_lease_not_negative;"
        " INSERT INTO budgets_lease (window_id, epoch_id, tenant_id, amount, used)"
        f" VALUES ({_CREDIT}, 99, {_FIRST}, -7, 0)",
        {"windows_leased": 2},
        "nothing below zero / -7 leased, 0 used",
    ),
)


@pytest.mark.parametrize("damage", _EPOCHS, ids=str)
def test_damage_to_epochs(books: Database, damage: Damage) -> None:
    require_seen(books, damage)


@pytest.mark.parametrize("damage", _EVENTS, ids=str)
def test_damage_to_events(books: Database, damage: Damage) -> None:
    require_seen(books, damage)


@pytest.mark.parametrize("damage", _ROLLUPS, ids=str)
def test_damage_to_rollups(books: Database, damage: Damage) -> None:
    require_seen(books, damage)


@pytest.mark.parametrize("damage", _POSTINGS, ids=str)
def test_damage_to_postings(books: Database, damage: Damage) -> None:
    require_seen(books, damage)


@pytest.mark.parametrize("damage", _BUDGETS, ids=str)
def test_damage_to_budgets(books: Database, damage: Damage) -> None:
    require_seen(books, damage)
