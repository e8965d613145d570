"""Corruptions of the books, done past all guards, and what must be said of each."""

from dataclasses import dataclass

from kit.orm.roles import as_operator
from metering.reconciliation.catalogue import CHECKS
from metering.reconciliation.models import Difference, Run
from tests.databases import Database
from tests.factories.reconciliation import corrupting
from tests.metering.reconciliation.commands import START, differing, run_json

COMMANDS: dict[Run.Kind, tuple[str, ...]] = {
    Run.Kind.RECONCILE: ("reconcile", START),
    Run.Kind.VERIFY_LEDGER: ("verify_ledger",),
}


@dataclass(frozen=True)
class Damage:
    """What is done to the database, which checks see it, and what they say."""

    name: str
    sql: str
    seen: dict[str, int]
    says: str

    def __str__(self) -> str:
        return self.name


def require_seen(database: Database, damage: Damage) -> None:
    """See that each command reports exactly this damage, keeps it, and fails."""
    with corrupting(database) as session:
        session.execute(damage.sql.encode())
    for kind, command in COMMANDS.items():
        names = {check.name for check in CHECKS[kind]}
        expected = {name: n for name, n in damage.seen.items() if name in names}

        status, document = run_json(*command)

        assert differing(document) == expected, document["listed"]
        assert status == (1 if expected else 0)
        said = [
            f"{each['check']}: {each['subject']}: {each['expected']} / {each['found']}"
            for each in document["listed"]
        ]
        if next(iter(damage.seen)) in names:
            assert any(damage.says in each for each in said), said
        with as_operator():
            kept = Difference.objects.filter(run_id=document["run"])
            assert kept.count() == sum(expected.values()) == document["differences"]
