"""Every row of an answer about usage, however many there are: for files.

Rows are one statement's, so of one moment; they are sorted in the database and read
through a cursor, a few at a time. Failure: what cannot be asked is refused before the
first row, as by `usage`, which alone refuses answers of many rows.
"""

from collections.abc import Iterator, Sequence

from django.db import connections

from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from metering.usage.asking import asking, row_of
from metering.usage.report import UsageQuery, UsageRow

ROWS_AT_ONCE = 2_000
# What the statements of reports answer, in this order.
_COUNTS = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "charge_picos",
)
_TEXTS = ("tenant", "project", "api_key", "member", "model", "currency")
_IDS = ("tenant_id", "project_id", "api_key_id", "member_id")
_NAMES = (
    "day, hour, minute, tenant_id, tenant, project_id, project, api_key_id, api_key,"
    f" member_id, member, model, currency, {', '.join(_COUNTS)}, is_told"
)


def every_row(
    query: UsageQuery, *, order: Sequence[str] = ("currency", "-charge_picos")
) -> Iterator[UsageRow]:
    """Yield all rows that answer a question, in an order; the largest after a minus.

    Raises `InvalidRequest` before the first one. A transaction is open until the last.
    """
    asked = asking(query, limit=None)
    statement = (
        f"SELECT * FROM ({asked.statement}) AS found ({_NAMES})"  # noqa: S608 - constants
        f" ORDER BY {_by(order)}"
    )
    # The cursor lives as long as its transaction.
    with atomic(), connections[current_alias()].chunked_cursor() as session:
        session.execute(statement, asked.parameters)
        while found := session.fetchmany(ROWS_AT_ONCE):
            yield from map(row_of, found)


def _by(order: Sequence[str]) -> str:
    """Return an order in SQL: texts by their letters' numbers, as Python has them."""
    words = []
    for each in (*order, *_IDS, "model"):
        name = each.removeprefix("-")
        if name not in {*_COUNTS, *_TEXTS, *_IDS}:
            raise ValueError(f"no order by '{name}'")
        letters = ' COLLATE "C"' if name in _TEXTS else ""
        words.append(f"{name}{letters}{' DESC' if each.startswith('-') else ''}")
    return ", ".join(words)
