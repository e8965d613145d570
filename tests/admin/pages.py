"""Every page of the admin that only reads, found from the site itself.

A new list, filter or form is measured and counted without anybody adding it here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from tests.admin import page

# Found often, found in names only, found nowhere, and an id.
WORDS = ("company-77", "server", "nowhere-at-all", "4321")
# Too few letters for an index of trigrams.
SHORT_WORD = "co"


@dataclass(frozen=True, slots=True)
class Page:
    """One address, and what to call it in a table."""

    name: str
    address: str


def every_page(request: HttpRequest) -> Iterator[Page]:
    """Yield the pages that this request's user may read, of all models."""
    yield Page("front page", reverse("admin:index"))
    for model, pages in sorted(
        admin.site._registry.items(), key=lambda each: each[0]._meta.label_lower
    ):
        if pages.has_view_permission(request):
            yield from _lists(model, pages, request)
            yield from _forms(model, pages, request)
            yield from _autocompletes(model, pages)


def _lists(model: type[Model], pages: Any, request: HttpRequest) -> Iterator[Page]:
    label = model._meta.label_lower
    listed = page(_name(model), "changelist")
    yield Page(f"{label} list", listed)
    yield Page(f"{label} list, page 3", f"{listed}?p=3")
    for column in range(1, len(pages.get_list_display(request)) + 1):
        yield Page(f"{label} by column {column}", f"{listed}?o=-{column}")
    if pages.search_fields:
        for word in (*WORDS, SHORT_WORD):
            yield Page(f"{label} search {word!r}", f"{listed}?{SEARCH_VAR}={word}")
    shown = pages.get_changelist_instance(request)
    for query in _filtered(shown):
        yield Page(f"{label} filter {query}", f"{listed}?{query}")


def _filtered(shown: Any) -> Iterator[str]:
    """Yield the query of each filter's second choice; the first is `all`."""
    for each in shown.filter_specs:
        choices = list(each.choices(shown))
        queries = [
            choice["query_string"].removeprefix("?")
            for choice in choices
            if choice.get("query_string", "?") != "?"
        ]
        if queries:
            yield queries[min(1, len(queries) - 1)]
        elif parameters := each.expected_parameters():
            yield urlencode({parameters[0]: "company"})


def _forms(model: type[Model], pages: Any, request: HttpRequest) -> Iterator[Page]:
    label = model._meta.label_lower
    if pages.has_add_permission(request):
        yield Page(f"{label} add", page(_name(model), "add"))
    rows = model._default_manager.order_by("pk")
    for which, row in (("first", rows.first()), ("last", rows.last())):
        if row is not None:
            yield Page(f"{label} {which}", page(_name(model), "change", row.pk))
            history = page(_name(model), "history", row.pk)
            yield Page(f"{label} {which} history", history)


def _autocompletes(model: type[Model], pages: Any) -> Iterator[Page]:
    for field in pages.autocomplete_fields:
        for word in ("", *WORDS, SHORT_WORD):
            asked = urlencode(
                {
                    "app_label": model._meta.app_label,
                    "model_name": model._meta.model_name,
                    "field_name": field,
                    "term": word,
                }
            )
            yield Page(
                f"{model._meta.label_lower}.{field} autocomplete {word!r}",
                f"{reverse('admin:autocomplete')}?{asked}",
            )


def _name(model: type[Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"
