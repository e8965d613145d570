"""A table: sorted, paged and written to a file, from one definition. Pure.

A `Table` says what its columns are; a page lays rows out with it, and its file holds
the same rows in the same order, all of them. Which column sorts, which page and which
row is open stand in the address. Failure: a sort or a page that cannot be is
`InvalidRequest`; a page past the last shows the last, since rows may go between two
looks.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from kit.errors import InvalidRequest
from pages.design.address import Query, address
from pages.design.cells import Cell, Kind, with_places
from pages.design.states import Empty
from pages.figures import count as count_text
from pages.figures import places_of

Row = TypeVar("Row")

ROWS_PER_PAGE = 50
PAGE_MAX = 1_000_000
# Python reads no number of thousands of digits.
_PAGE = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its name in addresses and files, and how a row fills it.

    It can be sorted by where `sort` returns what to compare; None comes last.
    """

    name: str
    heading: str
    cell: Callable[[Row], Cell]
    kind: Kind = Kind.TEXT
    sort: Callable[[Row], Any] | None = None
    note: str = ""
    """What exactly it holds, where the heading does not say."""
    is_for_files: bool = False
    """Only a file has it: a page shows it of one row, where that leads to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of a table."""

    column: str
    is_descending: bool
    page: int
    open: str

    @property
    def sort(self) -> str:
        """Return the parameter: the column, after a minus for the largest first."""
        return f"{'-' if self.is_descending else ''}{self.column}"

    def offset(self, rows: int = ROWS_PER_PAGE) -> int:
        """Return how many rows stand before the page, for a selector that pages."""
        return (self.page - 1) * rows


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's head: where it leads to sort by it, and whether it does now."""

    text: str
    kind: Kind
    note: str
    address: str
    sorted: str
    """`ascending`, `descending` or empty, as `aria-sort` says it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it is shown, and the rows that it consists of where it is open."""

    key: str
    cells: list[Cell]
    anchor: str = ""
    toggle: str = ""
    is_open: bool = False
    parts: list[list[Cell]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pager:
    """Which rows of how many are shown, and where the others are."""

    first: int
    last: int
    count: int
    page: int
    pages: int
    previous: str
    next: str


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A table ready for its template."""

    name: str
    title: str
    note: str
    headings: list[Heading]
    lines: list[Line]
    totals: list[list[Cell]]
    pager: Pager
    file: str
    """The address of the same rows as a file; empty where there is none."""
    file_first: str
    """How many of the rows the file holds; empty where it holds all."""
    empty: Empty | None


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """A definition; `parts` are the rows that one, known by its `key`, consists of."""

    name: str
    """On the page and in the file's name; before its parameters if `is_one_of_many`."""
    title: str
    columns: Sequence[Column[Row]]
    usual_sort: str = ""
    empty: Empty = field(default_factory=lambda: Empty("Nothing here"))
    note: str = ""
    rows_per_page: int = ROWS_PER_PAGE
    key: Callable[[Row], str] | None = None
    anchor: Callable[[Row], str] | None = None
    """What marks a row, once on its page, for links that lead to it."""
    parts: Callable[[Row], Sequence[Row]] | None = None
    is_one_of_many: bool = False
    has_file: bool = True
    file_rows_max: int = 0
    """How many rows its file holds at most; 0 for all. The page says so, too."""

    @property
    def shown(self) -> list[Column[Row]]:
        """Return the columns of a page."""
        return [each for each in self.columns if not each.is_for_files]

    def parameter(self, word: str) -> str:
        """Return what `sort`, `page` or `open` is called in this table's address."""
        return f"{self.name}-{word}" if self.is_one_of_many else word

    def asked(self, query: Query) -> Asked:
        """Return what an address asks of the table; raises `InvalidRequest`."""
        sort = query.get(self.parameter("sort")) or self.usual_sort
        column = sort.removeprefix("-")
        known = [each.name for each in self.columns if each.sort]
        if column and column not in known:
            raise InvalidRequest(
                f"'{column}' is no column to sort by: choose {', '.join(known)}.",
                param=self.parameter("sort"),
            )
        page = query.get(self.parameter("page")) or "1"
        if not (_PAGE.fullmatch(page) and 0 < int(page) <= PAGE_MAX):
            raise InvalidRequest(
                "A page is a whole number from 1.", param=self.parameter("page")
            )
        opened = query.get(self.parameter("open"), "")
        return Asked(column, sort.startswith("-"), int(page), opened)

    def in_order(self, rows: Iterable[Row], asked: Asked) -> list[Row]:
        """Return rows in the order asked for; rows without a value come last."""
        column = next(
            (each for each in self.columns if each.name == asked.column), None
        )
        if column is None or column.sort is None:
            return list(rows)
        keyed = [(column.sort(row), row) for row in rows]
        known = [each for each in keyed if each[0] is not None]
        known.sort(key=lambda each: each[0], reverse=asked.is_descending)
        return [row for _, row in known] + [row for key, row in keyed if key is None]

    def laid_out(
        self,
        rows: Sequence[Row],
        query: Query,
        *,
        totals: Sequence[Mapping[str, Cell]] = (),
        count: int | None = None,
        empty: Empty | None = None,
    ) -> LaidOut:
        """Lay rows out: all there are, or one page of `count` as a selector gave it.

        A total names the columns that it fills, by their names.
        """
        asked = self.asked(query)
        there = len(rows) if count is None else count
        pager = self._pager(asked, query, there)
        if count is None:
            rows = self.in_order(rows, asked)[max(pager.first - 1, 0) : pager.last]
        lines = [self._line(row, asked, query) for row in rows]
        sums = [
            [self._set(total.get(each.name, Cell("", "")), each) for each in self.shown]
            for total in totals
        ]
        self._align(
            [each.cells for each in lines],
            [p for each in lines for p in each.parts],
            sums,
        )
        file = address(query, file=self.name, **{self.parameter("page"): ""})
        return LaidOut(
            name=self.name,
            title=self.title,
            note=self.note,
            headings=[self._heading(each, asked, query) for each in self.shown],
            lines=lines,
            totals=sums,
            pager=pager,
            file=file if self.has_file else "",
            file_first=count_text(self.file_rows_max)
            if 0 < self.file_rows_max < there
            else "",
            empty=None if there else empty or self.empty,
        )

    def _line(self, row: Row, asked: Asked, query: Query) -> Line:
        key = self.key(row) if self.key else ""
        anchor = self.anchor(row) if self.anchor else ""
        cells = self._cells(row)
        if self.parts is None or not (parts := self.parts(row)):
            return Line(key, cells, anchor)
        name, is_open = self.parameter("open"), asked.open == key
        toggle = address(query, **{name: "" if is_open else key})
        return Line(
            key,
            cells,
            anchor,
            toggle=f"{toggle}#{self.name}",
            is_open=is_open,
            parts=[self._cells(part) for part in parts] if is_open else [],
        )

    def _cells(self, row: Row) -> list[Cell]:
        return [self._set(column.cell(row), column) for column in self.shown]

    def _set(self, cell: Cell, column: Column[Row]) -> Cell:
        return replace(cell, kind=column.kind)

    def _align(self, *groups: list[list[Cell]]) -> None:
        """Give the amounts of a column equally many places."""
        lines = [cells for group in groups for cells in group]
        for number in range(len(self.shown)):
            places = places_of(
                (cells[number].picos or 0, cells[number].currency)
                for cells in lines
                if cells[number].picos is not None
            )
            for cells in lines:
                cells[number] = with_places(cells[number], places)

    def _heading(self, column: Column[Row], asked: Asked, query: Query) -> Heading:
        way = ""
        if column.name == asked.column:
            way = "descending" if asked.is_descending else "ascending"
        # Numbers are looked at from the largest, names from the first.
        first = "-" if column.kind is Kind.NUMBER else ""
        other = {"ascending": "-", "descending": ""}
        sort = f"{other.get(way, first)}{column.name}"
        changes = {
            self.parameter("sort"): "" if sort == self.usual_sort else sort,
            self.parameter("page"): "",
        }
        return Heading(
            text=column.heading,
            kind=column.kind,
            note=column.note,
            address=f"{address(query, **changes)}#{self.name}" if column.sort else "",
            sorted=way,
        )

    def _pager(self, asked: Asked, query: Query, count: int) -> Pager:
        pages = max(-(-count // self.rows_per_page), 1)
        page = min(asked.page, pages)
        name = self.parameter("page")

        def leads(number: int) -> str:
            changes = {name: f"{number}" if number > 1 else ""}
            return f"{address(query, **changes)}#{self.name}"

        return Pager(
            first=min((page - 1) * self.rows_per_page + 1, count),
            last=min(page * self.rows_per_page, count),
            count=count,
            page=page,
            pages=pages,
            previous=leads(page - 1) if page > 1 else "",
            next=leads(page + 1) if page < pages else "",
        )
