"""A table's rows as a file: all of them, in the order asked for.

A file of rows that a page holds anyway is made whole before its first byte is sent,
while the page's snapshot and role last, and says in its headers how many rows and which
digest it has. One that is longer than memory should hold is sent as its rows are read,
and says the same in its last line. So one that was cut off is seen to be.

Failure: what fails before the first piece is an answer like any other; later the file
ends without its last line.
"""

import base64
import csv
import hashlib
import io
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Protocol, TypeVar, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from kit.drf.files import streamed
from pages.design.address import Query
from pages.design.table import Row, Table

Taken_co = TypeVar("Taken_co", covariant=True)
Taken = TypeVar("Taken")

PIECE_CHARS = 1 << 16
# Of a file that is made whole: what memory holds of one page's rows.
FILE_ROWS_MAX = 10_000


def wants_file(table: Table[Row], query: Query) -> bool:
    """Tell whether an address asks for this table's file instead of a page."""
    return table.has_file and query.get("file") == table.name


class Sliceable(Protocol[Taken_co]):
    """A queryset, or a list: rows of which the first few can be taken."""

    def __getitem__(self, key: slice, /) -> Iterable[Taken_co]:
        """Return these of the rows."""
        ...


def first_of(table: Table[Row], rows: Sliceable[Taken]) -> tuple[list[Taken], str]:
    """Return as many rows as the table's file holds, and what its name says of it.

    That is nothing where these are all. `rows` are what the table's are made of.
    """
    most = table.file_rows_max
    found = list(rows[: most + 1])
    return found[:most], f"-first-{most}" if len(found) > most else ""


def file_of(
    table: Table[Row], rows: Iterable[Row], query: Query, *, name: str
) -> HttpResponse:
    """Answer with all rows as CSV; `name` is the file's, without an ending."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    asked, found = table.asked(query), 0
    # Rows that come in their order are not held beside what is written of them.
    for row in table.in_order(rows, asked) if asked.column else rows:
        writer.writerow([column.cell(row).value for column in table.columns])
        found += 1
    body = text.getvalue().encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return HttpResponse(
        body,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="tollgate-{name}.csv"',
            "Repr-Digest": f"sha-256=:{digest}:",
            "X-Row-Count": f"{found}",
        },
    )


def stream_of(
    request: HttpRequest, table: Table[Row], rows: Iterator[Row], *, name: str
) -> HttpResponse:
    """Answer with rows as they are read, in the order in which they come.

    The first piece is made here, in the role that is in force; the rows hold their own
    transaction from then on, so a page calls this outside of any other. The last line
    says how many rows were sent, and the digest of all before it.
    """
    pieces = _pieces(table, rows)
    answer = StreamingHttpResponse(
        streamed(request, chain([next(pieces)], pieces)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="tollgate-{name}.csv"'},
    )
    # Rows hold a transaction: it ends with the answer, also where its reader has left.
    answer._resource_closers.append(pieces.close)  # type: ignore[attr-defined]
    # Pages answer with either; whoever is sent it sees one type of answer.
    return cast("HttpResponse", answer)


def _pieces(table: Table[Row], rows: Iterator[Row]) -> Generator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    digest, count = hashlib.sha256(), 0

    def taken() -> bytes:
        piece = text.getvalue().encode()
        text.seek(0)
        text.truncate()
        digest.update(piece)
        return piece

    for row in rows:
        writer.writerow([column.cell(row).value for column in table.columns])
        count += 1
        if text.tell() >= PIECE_CHARS:
            yield taken()
    last = taken()
    yield last + f"# {count} rows, sha-256 {digest.hexdigest()}\r\n".encode()
