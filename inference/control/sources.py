"""Where entries come from: what is to be published, in which portions, and as what.

Most are a row each. Every source reads many at a time, with as many queries for a
thousand as for one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import Model, QuerySet


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the snapshot; of a tenant's own things, with the tenant."""

    key: str
    body: dict[str, Any] | None
    tenant_id: int | None = None


class Source(Protocol):
    """Where the entries of one kind come from; an id is whatever names an entry's."""

    def key(self, row: Any) -> str:
        """Return the key of the entry that a row is told in."""
        ...

    def entries(self, ids: Sequence[Any]) -> list[Entry]:
        """Compile these, as they are now."""
        ...

    def chunks(self, size: int) -> Iterator[list[Any]]:
        """Yield the ids of everything that is to be published, so many at a time."""
        ...

    def known(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that are still anything's."""
        ...


@dataclass(frozen=True, slots=True)
class RowSource:
    """Entries that are a row each.

    `rows` lists the rows with what their body needs; `key_field` is the column whose
    text is the entry's key, `tenant_field` the one that says whose it is, if anybody's.
    """

    rows: Callable[[], QuerySet[Any]]
    key_field: str
    body: Callable[[Any], dict[str, Any] | None]
    tenant_field: str | None = None

    def key(self, row: Model) -> str:
        """Return the text of its key's column."""
        return str(getattr(row, self.key_field))

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """Compile the rows of these primary keys."""
        return [
            Entry(
                key=self.key(row),
                body=self.body(row),
                tenant_id=getattr(row, self.tenant_field)
                if self.tenant_field
                else None,
            )
            for row in self.rows().filter(pk__in=ids)
        ]

    def chunks(self, size: int) -> Iterator[list[int]]:
        """Yield primary keys."""
        for rows in chunks_of(self.rows(), size):
            yield [pk for (pk,) in rows]

    def known(self, keys: Sequence[str]) -> set[str]:
        """Return the keys that a row has."""
        there = self.rows().filter(**{f"{self.key_field}__in": keys})
        return {str(key) for key in there.values_list(self.key_field, flat=True)}


def chunks_of(
    rows: QuerySet[Any], size: int, *columns: Any
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the primary keys and columns of rows in order, so many at a time."""
    last = 0
    wanted = rows.order_by("pk").values_list("pk", *columns)
    while chunk := list(wanted.filter(pk__gt=last)[:size]):
        yield chunk
        last = chunk[-1][0]
