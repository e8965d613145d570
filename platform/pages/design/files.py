"""A table's rows as a file: all of them, in the order asked for.

The file is made whole before its first byte is sent, while the page's snapshot and role
last, and says how many rows and which digest it has: one that was cut off is seen to
be. Failure: none of its own.
"""

import base64
import csv
import hashlib
import io
from collections.abc import Iterable

from django.http import HttpResponse

from pages.design.address import Query
from pages.design.table import Row, Table


def wants_file(table: Table[Row], query: Query) -> bool:
    """Tell whether an address asks for this table's file instead of a page."""
    return table.has_file and query.get("file") == table.name


def file_of(
    table: Table[Row], rows: Iterable[Row], query: Query, *, name: str
) -> HttpResponse:
    """Answer with all rows as CSV; `name` is the file's, without an ending."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    ordered = table.in_order(rows, table.asked(query))
    for row in ordered:
        writer.writerow([column.cell(row).value for column in table.columns])
    body = text.getvalue().encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return HttpResponse(
        body,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="tollgate-{name}.csv"',
            "Repr-Digest": f"sha-256=:{digest}:",
            "X-Row-Count": f"{len(ordered)}",
        },
    )
