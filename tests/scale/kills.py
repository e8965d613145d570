"""Workers killed at random points from event to invoice: nothing is lost or double.

The same installation goes through the same course once in peace, then again and again
with two workers at a time that die at points drawn by lot, until so many were killed;
each course is then finished, and must end with the same books: equal on every side,
sound by every check of the product, with the same invoices, line by line, as in peace.
"""

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kit.orm.roles import as_operator
from metering.reconciliation.models import Difference
from metering.reconciliation.services import verify_ledger
from tests.databases import Database
from tests.factories.reconciliation import settle_counts
from tests.scale.credit import give_credit
from tests.scale.equal import compare
from tests.scale.events import session, write_events
from tests.scale.lives import Death, begin
from tests.scale.plans import agree
from tests.scale.server import copied
from tests.scale.sizes import MONTHS, Scale, closes_at
from tests.scale.work import STAGES
from tests.scale.world import World

WORKERS = 2
# A life ends after so many statements at most; a close takes about a hundred.
STATEMENTS_MAX = 600
SECONDS_MAX = 0.5
TIMED_SHARE = 0.3

# What must not depend on who was killed when. A transaction that was undone leaves gaps
# in ids, and a line of credit names its grant by one: such bills are compared without.
_INVOICES = """
    SELECT invoice.tenant_id, period.first_date, CASE
            WHEN bool_or(line.kind = 'credit') THEN md5(string_agg(concat_ws('|',
                line.kind, regexp_replace(line.description, '[0-9]+$', ''), line.model,
                line.price_id, line.token_class, line.quantity, line.exact_picos,
                line.amount_minor), E'\n' ORDER BY line.position))
            ELSE invoice.lines_sha256 END,
        invoice.amount_minor, invoice.paid_minor, invoice.state
    FROM billing_invoice invoice
    JOIN billing_invoiceline line ON line.invoice_id = invoice.id
    LEFT JOIN billing_period period ON period.id = invoice.period_id
    WHERE invoice.kind = 'period'
    GROUP BY invoice.id, period.id ORDER BY 1, 2, 3
"""
_TOP_UPS = """
    SELECT tenant_id, amount_minor, paid_minor, state FROM billing_invoice
    WHERE kind = 'top_up' ORDER BY 1, 2, 3
"""
_BALANCES = """
    SELECT account.tenant_id, account.kind, sum(entry.amount_picos)
    FROM ledger_entry entry JOIN ledger_account account ON account.id = entry.account_id
    GROUP BY 1, 2 HAVING sum(entry.amount_picos) <> 0 ORDER BY 1, 2
"""
_PERIODS = "SELECT tenant_id, first_date, state FROM billing_period ORDER BY 1, 2"
_NUMBERS = """
    SELECT count(number), count(DISTINCT number), max(last_number)
    FROM billing_invoice invoice JOIN billing_seller seller
        ON seller.id = invoice.seller_id
"""


@dataclass(slots=True)
class Killed:
    """How many workers died in which step, over how many courses; what was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    courses: int = 0
    wrong: list[str] = field(default_factory=list)


def kill_workers(
    prepared: Database,
    world: World,
    scale: Scale,
    *,
    times: int,
    say: Callable[[str], None] = lambda _: None,
) -> Killed:
    """Kill so many workers, over as many courses as that takes; say what differed."""
    dice = random.Random(scale.seed)
    found = Killed()
    with copied(prepared) as database:
        expected = _course(database, world, scale, lambda *_: None)
    found.wrong += [f"in peace: {each}" for each in expected.wrong]
    while found.kills.total() < times and not found.wrong:
        deaths = _Deaths(dice, times - found.kills.total(), found.kills)
        with copied(prepared) as database:
            made = _course(database, world, scale, deaths.come)
        found.courses += 1
        found.wrong += [*made.wrong, *_unlike(made, expected)]
        say(f"course {found.courses}: {dict(found.kills)}, {len(found.wrong)} wrong")
    return found


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The books at the end of a course."""

    facts: dict[str, list[Any]]
    wrong: list[str]


@dataclass(slots=True)
class _Deaths:
    """Lets workers die until so many are dead, or one has come to the end."""

    dice: random.Random
    left: int
    kills: Counter[str]

    def come(self, database: Database, now: dt.datetime, names: Sequence[str]) -> None:
        """Let workers begin, two at a time, until nothing is left to do."""
        is_over = False
        while not is_over and self.left > 0:
            lives = [
                begin(database, now, names, self._death())
                for _ in range(min(WORKERS, self.left))
            ]
            for life in lives:
                was_killed, step = life.end()
                is_over |= not was_killed
                self.left -= was_killed
                self.kills[step] += was_killed

    def _death(self) -> Death:
        if self.dice.random() < TIMED_SHARE:
            return Death(after_s=self.dice.uniform(0, SECONDS_MAX))
        # As many short lives as long ones.
        statements = round(STATEMENTS_MAX ** self.dice.random())
        return Death(at_statement=statements, is_before=self.dice.random() < 0.5)


def _course(
    database: Database,
    world: World,
    scale: Scale,
    disturb: Callable[[Database, dt.datetime, Sequence[str]], None],
) -> _Outcome:
    for phase in range(len(MONTHS)):
        agree(world, phase)
        give_credit(world, scale, phase)
        write_events(database, scale, phase)
        for names in STAGES:
            disturb(database, closes_at(phase), names)
            was_killed, step = begin(database, closes_at(phase), names, Death()).end()
            assert not was_killed, step
    return _outcome(database)


def _outcome(database: Database) -> _Outcome:
    books = compare(database)
    wrong = [f"{name}: {count}" for name, count in books.differences.items() if count]
    with as_operator():
        settle_counts()
        run = verify_ledger(now=closes_at(len(MONTHS) - 1))
        wrong += [
            f"{each.check_name} of {each.subject}: {each.expected}, not {each.found}"
            for each in Difference.objects.filter(run=run)[:5]
        ]
    with session(database) as connection:
        facts = {
            "invoices": connection.execute(_INVOICES.encode()).fetchall(),
            "top-ups": connection.execute(_TOP_UPS.encode()).fetchall(),
            "balances": connection.execute(_BALANCES.encode()).fetchall(),
            "periods": connection.execute(_PERIODS.encode()).fetchall(),
        }
        numbered = connection.execute(_NUMBERS.encode()).fetchone()
    assert numbered is not None
    if len(set(numbered)) != 1:
        wrong.append(f"numbers have gaps: {numbered}")
    return _Outcome(facts, wrong)


def _unlike(made: _Outcome, expected: _Outcome) -> Iterator[str]:
    for name, rows in expected.facts.items():
        if made.facts[name] != rows:
            odd = set(made.facts[name]) ^ set(rows)
            yield f"{name} differ from those in peace: {sorted(map(str, odd))[:6]}"
