"""What the roles may do, asked of PostgreSQL's catalogue and held against lists.

A new table, grant or function is not on the list, so whoever adds one says here why a
tenant may have it.
"""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.databases import Database

Rows = list[tuple[str, ...]]

# What tenants read without a policy, since it belongs to no tenant.
OPEN_TO_TENANTS = {
    "auth_user": "the ids alone, which memberships name",
    "billing_seller": "who sells to them",
    "control_servedmodel": "which models there are",
    "control_modelalias": "by which other names",
    "control_modelfallback": "and which answer in their place",
    "pricing_pricebook": "whose prices they pay",
    "pricing_pricebookversion": "from when on",
    "pricing_price": "what a token costs them",
    "pricing_tokenprice": "what a token costs them",
    "usage_epoch": "up to where usage is complete",
    "usage_keyhourspan": "from when on there are hours by key",
    "usage_rollupmark": "up to where usage is rolled up",
    "control_publicationversion": "the turn to publish",
}
# Functions that run as the owner, whoever calls them.
OWNERS_FUNCTIONS = {
    "usage_make_partition": "operators make coming partitions",
    "budgets_limit": "what limits a place; of a tenant, its own alone",
    "budgets_used": "what a place has used; of a tenant, its own alone",
    "budgets_standing": "what may still be spent; of a tenant, its own alone",
    "budgets_recall": "a tenant recalls its own leases as it changes its limits",
    "budgets_recall_many": "operators recall those of a plan's tenants",
    "budgets_span": "the calendar, for those above",
    "budgets_places": "places and their windows, for those that open them",
    "budgets_until": "when a limit may change by itself, for those above",
    "budgets_open": "gateways and operators open windows",
    "budgets_grant": "gateways take leases",
    "budgets_return": "gateways give leases back",
    "budgets_beat": "gateways tell what their requests use",
    "budgets_post": "a trigger of usage events",
    "budgets_close_epoch": "a trigger of epochs",
    "idempotency_claim": "gateways claim a key for an attempt",
    "idempotency_forget": "gateways forget an attempt that no engine took",
    "config_own_accounts": "which of a tenant's own members is safe, and was here",
    "control_own_key_seen": "how many gateways know a tenant's own key, in two numbers",
    "ledger_is_locked": "whether a month is locked; gateways end credit and ask it",
    "ledger_refuse_locked": "a trigger of ledger transactions",
    "ledger_refuse_added": "a trigger of ledger entries and day postings",
    "ledger_totals_follow_insert": "a trigger of what months moved",
    "ledger_totals_follow_update": "a trigger of what months moved",
    "ledger_totals_follow_delete": "a trigger of what months moved",
    "ledger_movements_follow": "a trigger of ledger entries",
    "ledger_use_follows": "a trigger of day postings",
    "control_model_states": "how each offered model does, in a word; for everybody",
    "pricing_own_book": "which book a tenant pays by; of a tenant, its own alone",
    "pricing_own_prices": "what a tenant pays; of a tenant, its own alone",
    "pricing_own_next_change": "when that may change; of a tenant, its own alone",
    "pricing_own_history": "what it paid before; of a tenant, its own alone",
    "pricing_own_histories": "the same of many models; of a tenant, its own alone",
    "usage_prices_of": "what a request was charged by; of a tenant, its own alone",
    "usage_default_partition_holds_events": "operators see whether one is missing",
}


@pytest.fixture
def ask(fresh_database: Database) -> Iterator[Callable[[str], Rows]]:
    """Ask the database as its owner."""
    with psycopg.connect(fresh_database.url_for("owner")) as owner:
        yield lambda question: owner.execute(question.encode()).fetchall()


def test_what_tenants_read_is_theirs_or_on_the_list(
    ask: Callable[[str], Rows],
) -> None:
    found = ask(
        """
        SELECT relname FROM pg_class
         WHERE relkind IN ('r', 'p', 'v', 'm') AND NOT relrowsecurity
           AND relnamespace = 'public'::regnamespace
           AND has_any_column_privilege('tollgate_app', oid, 'SELECT')
        """
    )
    assert {name for (name,) in found} <= OPEN_TO_TENANTS.keys()


def test_of_people_tenants_read_the_ids_alone(ask: Callable[[str], Rows]) -> None:
    found = ask(
        """
        SELECT attname FROM pg_attribute
         WHERE attrelid = 'auth_user'::regclass AND attnum > 0
           AND has_column_privilege('tollgate_app', attrelid, attnum, 'SELECT')
        """
    )
    assert [name for (name,) in found] in ([], ["id"])


def test_what_tenants_write_has_a_policy(ask: Callable[[str], Rows]) -> None:
    found = ask(
        """
        SELECT relname FROM pg_class
         WHERE relkind IN ('r', 'p') AND NOT relrowsecurity
           AND relnamespace = 'public'::regnamespace
           AND (has_any_column_privilege('tollgate_app', oid, 'INSERT, UPDATE')
                OR has_table_privilege('tollgate_app', oid, 'DELETE, TRUNCATE'))
        """
    )
    # A counter that every publication raises; it says nothing of anybody.
    assert {name for (name,) in found} <= {"control_publicationversion"}


def test_every_policy_of_tenants_compares_the_tenant(
    ask: Callable[[str], Rows],
) -> None:
    """None that lets rows through does so for all tenants."""
    policies = ask(
        """
        SELECT tablename || '.' || policyname, coalesce(qual, with_check)
          FROM pg_policies
         WHERE 'tollgate_app' = ANY (roles) AND permissive = 'PERMISSIVE'
        """
    )
    assert len(policies) > 20
    loose = [
        name
        for name, condition in policies
        if "tollgate.tenant" not in condition and "tenants_plan" not in condition
    ]
    assert loose == []


def test_functions_of_the_owner_are_on_the_list(ask: Callable[[str], Rows]) -> None:
    found = ask(
        """
        SELECT proname FROM pg_proc
         WHERE prosecdef AND pronamespace = 'public'::regnamespace
        """
    )
    assert {name for (name,) in found} == OWNERS_FUNCTIONS.keys()


def test_whether_a_month_is_locked_is_told_to_who_books(
    ask: Callable[[str], Rows],
) -> None:
    signature = "'ledger_is_locked(bigint, timestamptz)'"
    found = ask(
        f"""
        SELECT rolname FROM pg_roles WHERE rolname LIKE 'tollgate%'
           AND has_function_privilege(rolname, {signature}, 'EXECUTE')
        """
    )
    assert {name for (name,) in found} == {
        "tollgate_gateway",
        "tollgate_operator",
        "tollgate_owner",
    }


def test_views_do_not_pass_by_the_policies(ask: Callable[[str], Rows]) -> None:
    """A view reads as its owner, unless it is told to read as its caller."""
    assert (
        ask(
            """
        SELECT relname FROM pg_class
         WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace
        """
        )
        == []
    )
