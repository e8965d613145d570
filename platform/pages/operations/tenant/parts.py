"""What a tab consists of: tiles, tables with the rows of one page, links. Pure.

A table's file has all rows, or says in its name how many of them: a tab whose rows are
paged by its selector gives them by `whole`, which is called for a file alone.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pages.design.address import Query
from pages.design.cells import Cell
from pages.design.heading import Crumb
from pages.design.table import Table
from pages.design.tiles import Tile
from pages.operations.shell import Reader
from tenants.models import Tenant

# As many as a file is given, which then says so; all of them are exported, as a job.
FILE_ROWS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose page it is, what its address asks for, and who reads it."""

    tenant: Tenant
    query: Query
    now: dt.datetime
    reader: Reader


@dataclass(frozen=True, slots=True)
class Part:
    """A table of a tab; `count` is of all rows where these are one page of them."""

    table: Table[Any]
    rows: Sequence[Any]
    count: int | None = None
    totals: Sequence[Mapping[str, Cell]] = ()
    whole: Callable[[], Sequence[Any]] | None = None

    def of_file(self) -> tuple[Sequence[Any], str]:
        """Return the rows of the file, and what its name says where it is cut off."""
        rows = self.rows if self.whole is None else self.whole()
        if len(rows) <= FILE_ROWS_MAX:
            return rows, ""
        return rows[:FILE_ROWS_MAX], f"-first-{FILE_ROWS_MAX}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A tab's content; `template` shows what is no table, with `more`."""

    parts: Sequence[Part] = ()
    tiles: Sequence[Tile] = ()
    links: Sequence[Crumb] = ()
    template: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def paged(table: Table[Any], rows: Any, query: Query, *, most: int = 100_000) -> Part:
    """Return a page of a queryset; what is longer than `most` is counted so far."""
    start = table.asked(query).offset(table.rows_per_page)
    count = rows.order_by()[:most].count()
    start = min(start, max(count - 1, 0) // table.rows_per_page * table.rows_per_page)
    return Part(
        replace(table, file_rows_max=FILE_ROWS_MAX),
        list(rows[start : start + table.rows_per_page]),
        count=count,
        whole=lambda: list(rows[: FILE_ROWS_MAX + 1]),
    )
