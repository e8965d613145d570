"""What a check is: a name, what it proves, and what it found in one snapshot.

A check holds two records of the same thing against each other: the one that decides is
`expected`, the one made from it is `found`. What merely waits for its next step is no
difference. Failure: a check that cannot be carried out raises; it never passes.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kit.contracts import TokenClass
from kit.orm.atomic import cursor
from metering.pricing.rating import CHARGED_CLASSES

# All differences are counted, so many of each check are listed.
LISTED_MAX = 100
_TEXT_CHARS_MAX = 300

Parameters = dict[str, int | dt.date | dt.datetime | list[int] | None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which books: of one tenant or all, of all billing days or of a half-open range.

    `since` and `until` enclose those days in every tenant's zone.
    """

    tenant_id: int | None = None
    first_date: dt.date | None = None
    end_date: dt.date | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def parameters(self) -> Parameters:
        """Return what every statement is given."""
        return {
            "tenant": self.tenant_id,
            "start": self.first_date,
            "end": self.end_date,
            "since": self.since,
            "until": self.until,
            "charged": [int(each) for each in CHARGED_CLASSES],
            "limit": LISTED_MAX,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """One difference; `amount` says how large, where it is not two numbers apart."""

    tenant_id: int | None
    subject: str
    expected: str
    found: str
    amount: int = 0

    def __post_init__(self) -> None:
        """Keep what is said to a bounded length."""
        for name in ("subject", "expected", "found"):
            object.__setattr__(self, name, getattr(self, name)[:_TEXT_CHARS_MAX])


@dataclass(frozen=True, slots=True)
class TokenStep:
    """One step of the chain in tokens, over what could be compared.

    Engines count, of that we meter, of that we deliver. What a step lacks of the one
    before it, and why is known, is `known_most` at most.
    """

    name: str
    prompt_tokens: int
    generated_tokens: int
    known_most: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: rows, and its differences, all counted and the first listed."""

    rows: int
    differences: int = 0
    listed: tuple[Found, ...] = ()
    tokens: tuple[TokenStep, ...] = ()


@dataclass(slots=True)
class Tally:
    """Collects the finding of a check that goes row by row."""

    rows: int = 0
    differences: int = 0
    listed: list[Found] = field(default_factory=list)

    def add(self, differing: Iterable[Found], *, rows: int = 1) -> None:
        """Count rows that were looked at, and what differs in them."""
        self.rows += rows
        for each in differing:
            self.differences += 1
            if len(self.listed) < LISTED_MAX:
                self.listed.append(each)

    @property
    def finding(self) -> Finding:
        """Return what was collected."""
        return Finding(self.rows, self.differences, tuple(self.listed))


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: `proves` says which, `look` is the admin list to look at.

    A check of gateways or of sellers cannot be narrowed to a tenant.
    """

    name: str
    proves: str
    look: str
    run: Callable[[Scope], Finding]
    is_of_tenants: bool = True


_LISTED = """
SELECT seen.rows, listed.total, listed.tenant_id, listed.subject, listed.expected,
    listed.found
FROM seen LEFT JOIN (
    SELECT count(*) OVER () AS total, * FROM difference
    ORDER BY tenant_id NULLS FIRST, subject LIMIT %(limit)s
) listed ON true
"""


def by_statement(tables: str) -> Callable[[Scope], Finding]:
    """Make a check of common table expressions.

    Of them `seen (rows)` says how many rows were looked at, and `difference (tenant_id,
    subject, expected, found)` what differs.
    """

    def run(scope: Scope) -> Finding:
        with cursor() as session:
            session.execute(tables + _LISTED, scope.parameters)
            answer = session.fetchall()
        listed = tuple(Found(*row[2:]) for row in answer if row[1] is not None)
        return Finding(answer[0][0], answer[0][1] or 0, listed)

    return run


def of_tenant(table: str) -> str:
    """Return the condition that a row is of the scope's tenant."""
    return f"(%(tenant)s::bigint IS NULL OR {table}.tenant_id = %(tenant)s)"


def in_window(table: str) -> str:
    """Return the condition that a row of a billing day is in the scope."""
    return f"""({of_tenant(table)}
        AND (%(start)s::date IS NULL OR {table}.date >= %(start)s)
        AND (%(end)s::date IS NULL OR {table}.date < %(end)s))"""


def class_name(column: str) -> str:
    """Return the expression that names a token class."""
    names = ", ".join(f"'{each.name.lower()}'" for each in sorted(TokenClass))
    return f"coalesce((ARRAY[{names}])[{column} + 1], {column}::text)"
