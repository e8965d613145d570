"""Post to the ledger: balanced, once per source, all entries in one statement.

Failure: an unbalanced posting, or a source that was posted before with other amounts,
is a bug and raises `LedgerInvariantError`; the database refuses the first one too. The
same posting again changes nothing. Owns: accounts, transactions and entries.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kit.orm.atomic import atomic, cursor
from metering.ledger.models import Account, Entry, Transaction

_Key = tuple[int, str, str]

_ADD = """
    INSERT INTO ledger_transaction (tenant_id, kind, source, occurred_at)
    SELECT * FROM unnest(
        %(tenants)s::bigint[], %(kinds)s::text[], %(sources)s::text[],
        %(instants)s::timestamptz[]
    ) AS posting (tenant_id, kind, source, occurred_at)
    ORDER BY tenant_id, kind, source
    ON CONFLICT (tenant_id, kind, source) DO NOTHING
    RETURNING tenant_id, kind, source, id
"""


class LedgerInvariantError(Exception):
    """The books would not be right any more; nothing was written."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What one account is debited (positive) or credited (negative)."""

    account: Account.Kind
    picos: int


@dataclass(frozen=True, slots=True)
class Posting:
    """Amounts that belong together, and where they come from.

    `source` names what is posted, once and for all, within the tenant and kind.
    """

    tenant_id: int
    kind: Transaction.Kind
    source: str
    currency: str
    occurred_at: dt.datetime
    amounts: tuple[Amount, ...]

    @property
    def key(self) -> _Key:
        """Return what makes the posting unrepeatable."""
        return (self.tenant_id, str(self.kind), self.source)


def post(*, postings: Sequence[Posting]) -> list[int]:
    """Post all or none, and return their transactions' ids in the same order.

    A source that was posted before is left as it is. Raises `LedgerInvariantError`.
    """
    for posting in postings:
        _require_balanced(posting)
    if len({posting.key for posting in postings}) != len(postings):
        raise LedgerInvariantError("two postings have the same source")
    if not postings:
        return []
    with atomic():
        added = _add_transactions(postings)
        accounts = _accounts(postings)
        Entry.objects.bulk_create(
            Entry(
                tenant_id=posting.tenant_id,
                transaction_id=added[posting.key],
                account_id=accounts[
                    posting.tenant_id, str(amount.account), posting.currency
                ],
                amount_picos=amount.picos,
            )
            for posting in postings
            if posting.key in added
            for amount in posting.amounts
        )
        known = _known(posting for posting in postings if posting.key not in added)
    return [(added | known)[posting.key] for posting in postings]


def _require_balanced(posting: Posting) -> None:
    if not posting.amounts or sum(amount.picos for amount in posting.amounts) != 0:
        raise LedgerInvariantError(f"{posting.source} does not sum to zero")


def _add_transactions(postings: Sequence[Posting]) -> dict[_Key, int]:
    """Insert the transactions that are new and return their ids."""
    with cursor() as session:
        session.execute(
            _ADD,
            {
                "tenants": [posting.tenant_id for posting in postings],
                "kinds": [str(posting.kind) for posting in postings],
                "sources": [posting.source for posting in postings],
                "instants": [posting.occurred_at for posting in postings],
            },
        )
        return {
            (tenant, kind, source): pk
            for tenant, kind, source, pk in session.fetchall()
        }


def _accounts(postings: Sequence[Posting]) -> dict[_Key, int]:
    """Return the ids of all accounts named, made where they are missing."""
    named = sorted(
        {
            (posting.tenant_id, str(amount.account), posting.currency)
            for posting in postings
            for amount in posting.amounts
        }
    )
    Account.objects.bulk_create(
        (
            Account(tenant_id=tenant, kind=kind, currency=currency)
            for tenant, kind, currency in named
        ),
        ignore_conflicts=True,
    )
    rows = Account.objects.filter(tenant_id__in={tenant for tenant, _, _ in named})
    return {(row.tenant_id, row.kind, row.currency): row.pk for row in rows}


def _known(postings: Iterable[Posting]) -> dict[_Key, int]:
    """Return the ids of postings made before, and see that they were the same."""
    known: dict[_Key, int] = {}
    for posting in postings:
        made = Transaction.objects.get(
            tenant_id=posting.tenant_id, kind=posting.kind, source=posting.source
        )
        before: Counter[tuple[str, str]] = Counter()
        for entry in made.entries.select_related("account"):
            before[entry.account.kind, entry.account.currency] += entry.amount_picos
        asked: Counter[tuple[str, str]] = Counter()
        for amount in posting.amounts:
            asked[str(amount.account), posting.currency] += amount.picos
        if {k: v for k, v in before.items() if v} != {
            k: v for k, v in asked.items() if v
        }:
            raise LedgerInvariantError(
                f"{posting.source} was posted differently before"
            )
        known[posting.key] = made.pk
    return known
