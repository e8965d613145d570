"""From the books to the bytes of a file, a piece at a time.

Rows are read through a cursor in the database, in one statement: a file shows one
moment, and takes the same memory however long it is. Runs as whoever is in force, in a
transaction. Failure: none of its own; what was written of a file that fails is thrown
away by whoever asked for it.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from metering.exports import focus, plain
from metering.exports.models import Form
from metering.exports.statements import STATEMENTS
from metering.exports.wanted import Wanted

ROWS_AT_ONCE = 2_000
BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class Written:
    """What has been written so far: data rows, bytes, and the hash of all bytes."""

    row_count: int = 0
    byte_count: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """Return the hash, in hexadecimal."""
        return str(self._hash.hexdigest())

    def add(self, block: bytes) -> None:
        """Count bytes in."""
        self.byte_count += len(block)
        self._hash.update(block)


def blocks(wanted: Wanted, written: Written) -> Iterator[bytes]:
    """Yield the file in blocks of about a megabyte, counting it into `written`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    header, rows = _laid_out(wanted)
    writer.writerow(header)
    for row in rows:
        writer.writerow(row)
        written.row_count += 1
        if text.tell() >= BLOCK_BYTES:
            yield _taken(text, written)
    yield _taken(text, written)


def _taken(text: io.StringIO, written: Written) -> bytes:
    block = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    written.add(block)
    return block


def _laid_out(wanted: Wanted) -> tuple[Iterable[str], Iterator[Iterable[object]]]:
    if wanted.form is Form.FOCUS:
        return focus.COLUMNS, _focus_rows(wanted)
    columns = plain.COLUMNS[wanted.subject]
    cells = [cell for _, cell in columns]
    return (
        [name for name, _ in columns],
        ([cell(row) for cell in cells] for row in _read(wanted)),
    )


def _focus_rows(wanted: Wanted) -> Iterator[Iterable[object]]:
    for row in _read(wanted):
        found = focus.focus(wanted.subject, row)
        if found is not None:
            yield [found.get(name, "") for name in focus.COLUMNS]


def _read(wanted: Wanted) -> Iterator[dict[str, Any]]:
    parameters = {
        "tenant": wanted.tenant_id,
        "first": wanted.first_date,
        "end": wanted.end_date,
    }
    # The cursor lives as long as its transaction.
    with atomic(), connections[current_alias()].chunked_cursor() as session:
        session.execute(STATEMENTS[wanted.subject], parameters)
        while found := session.fetchmany(ROWS_AT_ONCE):
            names = [column.name for column in session.description]
            for row in found:
                yield dict(zip(names, row, strict=True))
