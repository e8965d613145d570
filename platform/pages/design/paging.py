"""The page of a queryset that an address asks for: no more rows are read than it shows.

Failure: a page past the last shows the last, since rows may go between two looks.
"""

from django.db.models import QuerySet

from pages.design.address import Query
from pages.design.table import LaidOut, Row, Table


def page_of(table: Table[Row], rows: QuerySet, query: Query) -> LaidOut:  # type: ignore[type-arg]
    """Lay out one page of rows that are in their order."""
    count, per = rows.order_by().count(), table.rows_per_page
    start = min(table.asked(query).offset(per), max(count - 1, 0) // per * per)
    return table.laid_out(list(rows[start : start + per]), query, count=count)
