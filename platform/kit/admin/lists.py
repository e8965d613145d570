"""Lists that cost the same whether there are a hundred rows or a million.

Counting stops at `COUNT_MAX`, and the page says so: to count more takes longer than to
show it, and nobody pages that far. Each searched column is looked up by its own index,
and what belongs to the rows of one page is read for all of them at once.

Failure: a search for a whole secret never searches, so that the secret is shown on no
page and stands in no link.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal
from unfold.views import ChangeList

from kit import api_keys

COUNT_MAX = 100_000
# More words than anybody types; each one costs a look-up per searched column.
WORDS_MAX = 8
_BIGINT_DIGITS = 18
# Fewer letters make no trigram within a word, only at its beginning.
_TRIGRAM = 3


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a list that is counted up to `COUNT_MAX` and no further."""

    template_name = "kit/pagination.html"

    @cached_property
    def is_bounded(self) -> bool:
        """Tell whether there are more rows than were counted."""
        return self._counted > COUNT_MAX

    @cached_property
    def count(self) -> int:
        """Return how many rows the pages hold."""
        return min(self._counted, COUNT_MAX)

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        # In order, all rows would be sorted before the first was counted.
        return rows.order_by()[: COUNT_MAX + 1].count()


class LookedUpList(ChangeList):  # type: ignore[misc]
    """A list whose rows are handed to `look_up`, a page of them at once."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and what belongs to its rows."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        self.model_admin.look_up(rows)
        self.result_list = rows


def found(
    rows: QuerySet[Any],
    text: str,
    *,
    columns: Iterable[str],
    more: Callable[[str], Sequence[QuerySet[Any]]],
) -> QuerySet[Any]:
    """Keep the rows that hold each word of a text in one of their columns.

    A column is a path of fields, `tenant__slug`; with `=` in front it is the word or
    it is not. One or two letters are looked for at its beginning. A number finds the
    row of that id too, and `more` may find others by a word.
    """
    for word in _words(text):
        parts = _with_word(rows.model, word, tuple(columns))
        parts += [each.values("pk") for each in more(word)]
        rows = rows.filter(pk__in=_together(parts)) if parts else rows.none()
    return rows


def is_secret(text: str) -> bool:
    """Tell whether a text has the shape of a whole API key or token."""
    return api_keys.PATTERN.fullmatch(text.strip()) is not None


def _words(text: str) -> list[str]:
    """Return the words, those within quotes as one; NUL is in no text of a database."""
    words = []
    for word in smart_split(text.replace("\0", "")):
        quoted = word[0] in "\"'" and len(word) > 1 and word[0] == word[-1]
        words.append(unescape_string_literal(word) if quoted else word)
    return [word for word in words if word][:WORDS_MAX]


def _with_word(
    model: type[Model], word: str, columns: tuple[str, ...]
) -> list[QuerySet[Any]]:
    """Return the ids of the rows that hold a word, those of each column apart."""
    manager = model._default_manager
    within = "icontains" if len(word) >= _TRIGRAM else "istartswith"
    parts: list[QuerySet[Any]] = []
    for column in columns:
        how = "iexact" if column.startswith("=") else within
        condition = {f"{column.removeprefix('=')}__{how}": word}
        parts.append(manager.filter(**condition).order_by().values("pk"))
    if word.isdecimal() and len(word) <= _BIGINT_DIGITS:
        parts.append(manager.filter(pk=int(word)).order_by().values("pk"))
    return parts


def _together(parts: list[QuerySet[Any]]) -> QuerySet[Any]:
    """Put look-ups together as a union: an OR over tables would read all rows."""
    first, *others = parts
    return first.union(*others, all=True) if others else first
