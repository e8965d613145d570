"""Read a page as its reader does: its tables, its text, its exact amounts."""

from html.parser import HTMLParser

Rows = list[list[str]]


class _Reader(HTMLParser):
    """Collects the cells of each table, under the heading that stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, Rows] = {}
        self.words: list[str] = []
        self._heading = ""
        self._in_heading = False
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"h1", "h2", "h3"}:
            self._heading, self._in_heading = "", True
        elif tag == "table":
            self.tables[self._heading] = []
        elif tag == "tr":
            self.tables[self._heading].append([])
        elif tag in {"td", "th"}:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in {"h1", "h2", "h3"}:
            self._in_heading = False
        elif tag in {"td", "th"} and self._cell is not None:
            self.tables[self._heading][-1].append(_plain("".join(self._cell)))
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._in_heading:
            self._heading += data
        if self._cell is not None:
            self._cell.append(data)


def tables(page: bytes) -> dict[str, Rows]:
    """Return the rows of each table, by the heading above it."""
    reader = _Reader()
    reader.feed(page.decode())
    return reader.tables


def text(page: bytes) -> str:
    """Return the words of a page, its spaces made single."""
    reader = _Reader()
    reader.feed(page.decode())
    return _plain(" ".join(reader.words))


def _plain(words: str) -> str:
    return " ".join(words.split())
