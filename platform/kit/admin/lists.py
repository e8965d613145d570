"""Lists that cost the same whether there are a hundred rows or a million.

Counting stops at `COUNT_MAX`, for what is searched at `SEARCHED_MAX`, and the page says
so: to count more takes longer than to show it, and nobody pages that far. A page is
found by its ids alone, and then its rows are read with all that belongs to them. Each
searched column is looked up by its own index.

Failure: a search for a whole secret never searches, so that the secret is shown on no
page and stands in no link.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from django.contrib.admin.utils import lookup_spawns_duplicates
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal
from unfold.views import ChangeList

from kit import api_keys

COUNT_MAX = 100_000
SEARCHED_MAX = 2_000
# More words than anybody types; each one costs a look-up per searched column.
WORDS_MAX = 8
_BIGINT_DIGITS = 18
# Fewer letters make no trigram within a word, only at its beginning.
_TRIGRAM = 3


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a list that is counted up to `count_max` and no further."""

    template_name = "kit/pagination.html"
    count_max = COUNT_MAX

    @cached_property
    def is_bounded(self) -> bool:
        """Tell whether there are more rows than were counted."""
        return self._counted > self.count_max

    @cached_property
    def count(self) -> int:
        """Return how many rows the pages hold."""
        return min(self._counted, self.count_max)

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        # In order, all rows would be sorted before the first was counted.
        return rows.order_by()[: self.count_max + 1].count()


class SearchedPaginator(BoundedPaginator):
    """Pages of what a search found."""

    count_max = SEARCHED_MAX


class LookedUpList(ChangeList):  # type: ignore[misc]
    """A list whose rows are handed to `look_up`, a page of them at once."""

    result_list: Any

    def url_for_result(self, result: Any) -> str:
        """Return where a row leads: to its form, or to a page of its own."""
        own: str = self.model_admin.page_of(result)
        return own or str(super().url_for_result(result))

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and what belongs to its rows."""
        super().get_results(request)
        # In order first: a join for the sake of 30 rows would be made for all.
        ids = list(self.result_list.values_list("pk", flat=True))
        whole = self.apply_select_related(self.root_queryset).order_by()
        read = {row.pk: row for row in whole.filter(pk__in=ids)}
        rows = [read[each] for each in ids if each in read]
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
        conditions = _with_word(rows.model, word, tuple(columns))
        conditions += [Q(pk__in=each.values("pk")) for each in more(word)]
        rows = rows.filter(_narrow(rows.model, conditions) or _any(conditions))
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


def _with_word(model: type[Model], word: str, columns: tuple[str, ...]) -> list[Q]:
    """Return what a row must fulfil one of to hold a word, a column each."""
    manager = model._default_manager
    within = "icontains" if len(word) >= _TRIGRAM else "istartswith"
    conditions = []
    for column in columns:
        how = "iexact" if column.startswith("=") else within
        path = column.removeprefix("=")
        condition = Q(**{f"{path}__{how}": word})
        if lookup_spawns_duplicates(model._meta, path):
            condition = Q(pk__in=manager.filter(condition).order_by().values("pk"))
        conditions.append(condition)
    if word.isdecimal() and len(word) <= _BIGINT_DIGITS:
        conditions.append(Q(pk=int(word)))
    return conditions


def _narrow(model: type[Model], conditions: list[Q]) -> Q | None:
    """Return the few rows that fulfil any condition, by id; None where they are many.

    Each condition by its own index, and put together: an OR over several tables would
    read all rows to find three.
    """
    manager = model._default_manager
    parts = [manager.filter(each).order_by().values_list("pk") for each in conditions]
    if not parts:
        return Q(pk__in=[])
    first, *others = parts
    ids = (first.union(*others, all=True) if others else first)[: SEARCHED_MAX + 1]
    found_ids = {each for (each,) in ids}
    return Q(pk__in=found_ids) if len(ids) <= SEARCHED_MAX else None


def _any(conditions: list[Q]) -> Q:
    """Return the condition of what many rows fulfil: a page of them is soon found."""
    whole = Q()
    for each in conditions:
        whole |= each
    return whole
