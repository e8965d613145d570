"""The lines of invoices and credit notes: those in use as rows, the rest packed.

Thousands of invoices with hundreds of lines each do not fit in memory as rows. Owns:
the rows. A list of lines stays the same object for as long as it is among the ones
used last, so an operation may change what it got, and keep it no longer than it runs.
"""

import pickle
import zlib
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from typing import Any

Lines = list[dict[str, Any]]
# No operation works on nearly as many documents at once.
IN_USE_MAX = 64


class LineBook(MutableMapping[str, Lines]):
    """Lists of lines by the id of their document."""

    def __init__(self) -> None:
        self._in_use: OrderedDict[str, Lines] = OrderedDict()
        self._packed: dict[str, bytes] = {}

    def __getitem__(self, reference: str) -> Lines:
        """Return the lines, to be read or changed."""
        if reference in self._in_use:
            self._in_use.move_to_end(reference)
            return self._in_use[reference]
        lines: Lines = pickle.loads(  # noqa: S301 - pickled below
            zlib.decompress(self._packed.pop(reference))
        )
        self[reference] = lines
        return lines

    def __setitem__(self, reference: str, lines: Lines) -> None:
        """Keep these lines."""
        self._packed.pop(reference, None)
        self._in_use[reference] = lines
        self._in_use.move_to_end(reference)
        while len(self._in_use) > IN_USE_MAX:
            oldest, rows = self._in_use.popitem(last=False)
            self._packed[oldest] = zlib.compress(pickle.dumps(rows), 1)

    def __delitem__(self, reference: str) -> None:
        """Forget the lines of a document."""
        if self._packed.pop(reference, None) is None:
            del self._in_use[reference]

    def __iter__(self) -> Iterator[str]:
        """Go through the ids of the documents."""
        return iter([*self._packed, *self._in_use])

    def __len__(self) -> int:
        """Return of how many documents there are lines."""
        return len(self._packed) + len(self._in_use)
