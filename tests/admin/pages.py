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

from pages.operations.tenant.view import TABS
from tenants.models import Tenant
from tests.admin import page

# Found often, found in names only, found nowhere, and an id.
WORDS = ("company-77", "server", "nowhere-at-all", "4321")
# Found in an installation of any size.
BRIEF_WORDS = ("company-4",)
# Too few letters for an index of trigrams.
SHORT_WORD = "co"


@dataclass(frozen=True, slots=True)
class Page:
    """One address, and what to call it in a table."""

    name: str
    address: str


def our_pages() -> list[tuple[type[Model], Any]]:
    """Return the models with their pages."""
    found = admin.site._registry.items()
    return sorted(found, key=lambda each: each[0]._meta.label_lower)


def every_page(request: HttpRequest, *, brief: bool = False) -> Iterator[Page]:
    """Yield the pages that this request's user may read, of all models.

    A brief look leaves out orders and later pages of lists, all but one word, and all
    but one row.
    """
    yield Page("front page", reverse("admin:index"))
    yield from _operations()
    for model, pages in our_pages():
        if pages.has_view_permission(request):
            words = BRIEF_WORDS if brief else (*WORDS, SHORT_WORD)
            yield from _lists(model, pages, request, words=words)
            if not brief:
                yield from _orders(model, pages, request)
            yield from _forms(model, pages, request, brief=brief)
            yield from _autocompletes(model, pages, words=words)


def _operations() -> Iterator[Page]:
    """Yield the pages beside those of the site, of the tenant with most of all."""
    for name in ("live", "routes", "proof"):
        yield Page(name, reverse(f"operations:{name}"))
    tenant = Tenant.objects.order_by("pk").first()
    if tenant is not None:
        yield Page("tenant", reverse("operations:tenant", args=(tenant.pk,)))
        for tab in TABS:
            address = reverse("operations:tenant_tab", args=(tenant.pk, tab.name))
            yield Page(f"tenant {tab.name}", address)


def _lists(
    model: type[Model], pages: Any, request: HttpRequest, *, words: tuple[str, ...]
) -> Iterator[Page]:
    label = model._meta.label_lower
    listed = page(_name(model), "changelist")
    yield Page(f"{label} list", listed)
    if pages.search_fields:
        for word in words:
            yield Page(f"{label} search {word!r}", f"{listed}?{SEARCH_VAR}={word}")
    shown = pages.get_changelist_instance(request)
    for query in _filtered(shown):
        yield Page(f"{label} filter {query}", f"{listed}?{query}")


def _orders(model: type[Model], pages: Any, request: HttpRequest) -> Iterator[Page]:
    label, listed = model._meta.label_lower, page(_name(model), "changelist")
    last = pages.get_changelist_instance(request).paginator.num_pages
    yield Page(f"{label} list, last page", f"{listed}?p={last}")
    sortable = pages.get_sortable_by(request)
    for column, name in enumerate(pages.get_list_display(request), 1):
        if name not in sortable:
            continue
        yield Page(f"{label} by column {column}", f"{listed}?o=-{column}")


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


def _forms(
    model: type[Model], pages: Any, request: HttpRequest, *, brief: bool
) -> Iterator[Page]:
    label = model._meta.label_lower
    if pages.has_add_permission(request):
        yield Page(f"{label} add", page(_name(model), "add"))
    rows = model._default_manager.order_by("pk")
    for which, row in (("first", rows.first()), ("last", rows.last())):
        if row is not None:
            yield Page(f"{label} {which}", page(_name(model), "change", row.pk))
            if brief:
                return
            history = page(_name(model), "history", row.pk)
            yield Page(f"{label} {which} history", history)


def _autocompletes(
    model: type[Model], pages: Any, *, words: tuple[str, ...]
) -> Iterator[Page]:
    for field in pages.autocomplete_fields:
        for word in ("", *words):
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
