"""The two kinds of pages: those whose writes are services, and those only read."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.db import models
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from unfold.admin import ModelAdmin

from kit.admin.bulk import BulkAction, offered
from kit.admin.dialogs import go_to
from kit.admin.editing import KnownChoiceField, changed_last, held_form, refused_form
from kit.admin.lists import (
    BoundedPaginator,
    LookedUpList,
    SearchedPaginator,
    found,
    is_secret,
)
from kit.errors import PlatformError
from kit.number_fields import PlainDecimalField, WholeField
from kit.orm.audited import Audited
from kit.sent_once import CREATED, FormSentBeforeError, FormTooOldError, do_once

_TOO_OLD = (
    "The form was opened more than 12 hours ago, or before you signed in anew. Nothing "
    "was done: this is a new one."
)
_SENT_BEFORE = (
    "The form was sent already, and what it asked for was made then, once. Its text was"
    " shown on the page that answered first, and is kept nowhere: if it was not stored,"
    " rotate it."
)
# Of a column of numbers, which field takes it.
_NUMBERS: tuple[tuple[Any, Mapping[str, Any]], ...] = (
    (models.IntegerField, {"form_class": WholeField}),
    (models.DecimalField, {"form_class": PlainDecimalField}),
)
_REDIRECTS = range(300, 400)
_AUDIT = "admin:tenants_auditentry_changelist"
# Where a request keeps what a service refused of it.
_REFUSED = "_refused"
# What the admin's autocompletion asks with.
_AUTOCOMPLETED = "term"


class _Pages(ModelAdmin):  # type: ignore[misc]
    """What pages of either kind have: a list that stays fast, and nothing deleted."""

    list_filter_submit = True
    list_fullwidth = True
    # Half of a page's time goes into drawing its rows.
    list_per_page = 30
    show_full_result_count = False
    paginator = BoundedPaginator
    compressed_fields = True
    bulk_actions: ClassVar[tuple[BulkAction, ...]] = ()
    # What an empty list says: why it is, and what would fill it.
    empty_says = "Nothing has been recorded here so far."

    def look_up(self, rows: Sequence[Any]) -> None:
        """Read what belongs to the rows of a page of the list, all at once."""

    def page_of(self, row: Any) -> str:
        """Return where a row of the list leads; empty for its form."""
        return ""

    def rows_with(self, word: str) -> Sequence[QuerySet[Any]]:
        """Find rows by a word that stands in none of the searched columns."""
        return ()

    def rows_of_secret(self, secret: str) -> QuerySet[Any]:
        """Return the row that a whole secret opens; of most pages there is none."""
        none: QuerySet[Any] = self.model._default_manager.none()
        return none

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Take numbers as people write them, and nothing else."""
        for column, given in _NUMBERS:
            if isinstance(db_field, column):
                kwargs = {**given, **kwargs}
        each = getattr(db_field, "base_field", None)
        if isinstance(each, models.IntegerField):
            kwargs = {"base_field": each.formfield(form_class=WholeField), **kwargs}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def last_changed(self, row: Model) -> str:
        """Say who changed a row last and when; empty where it is not known."""
        return changed_last(row)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Read lists a page at a time."""
        return LookedUpList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search each column by its own index."""
        columns = self.get_search_fields(request)
        rows = found(queryset, search_term, columns=columns, more=self.rows_with)
        return rows, False

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: Any,
        per_page: int,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Count what was searched less far than a whole list."""
        is_searched = request.GET.get(SEARCH_VAR) or _AUTOCOMPLETED in request.GET
        pages = SearchedPaginator if is_searched else self.paginator
        return pages(queryset, per_page, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the list; a whole secret leads to its row and is shown nowhere."""
        asked = request.GET.get(SEARCH_VAR, "").strip()
        if is_secret(asked) and self.has_view_permission(request):
            return self._go_to_row_of(asked, request)
        return super().changelist_view(request, *args, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing with history is deleted."""
        return False

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Show the form, with the way to the audit of its row."""
        row = context.get("original")
        context["audit_address"] = audit_address(row) if row else ""
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer the actions on many rows that the account may take."""
        actions = super().get_actions(request)
        return {**actions, **offered(self.bulk_actions, self, request)}

    def act(
        self,
        request: HttpRequest,
        object_id: str,
        call: Callable[[Any], Model],
        *,
        done: str,
    ) -> HttpResponse:
        """Run a confirmed action on one row once, log it, and go back to its page."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        address = reverse(name, args=(object_id,))

        def run() -> HttpResponse:
            changed = call(row)
            self.log_change(request, changed, done)
            messages.success(request, f"{changed}: {done}")
            return HttpResponseRedirect(address)

        try:
            do_once(request, run)
        except PlatformError as refused:
            messages.error(request, refused.message)
        except FormTooOldError:
            messages.error(request, _TOO_OLD)
        return go_to(request, address)

    def _go_to_row_of(self, secret: str, request: HttpRequest) -> HttpResponse:
        row = self.rows_of_secret(secret).first()
        if row is None:
            messages.warning(
                request, "That is a whole secret, and none of these has it."
            )
            return HttpResponseRedirect(request.path)
        return HttpResponseRedirect(_page_of(row))


class ServiceAdmin(_Pages):
    """Pages of one model: `create` and `update` call its services.

    Fields named in `fixed_fields` are given once and stay.
    """

    fixed_fields: tuple[str, ...] = ()
    change_form_before_template = "kit/held.html"
    change_form_outer_before_template = "kit/audit.html"

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Model:
        """Create a row from the form's values by calling a service."""
        raise NotImplementedError

    def update(self, row: Any, changes: Mapping[str, Any]) -> Model:
        """Change a row's named fields by calling a service."""
        raise NotImplementedError

    def held_with(self, row: Any) -> Mapping[str, str]:
        """Return what else an edit of the row is held against, by what to call it."""
        return {}

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Make the field; what no row can be called is none chosen when asked again."""
        kwargs.setdefault("form_class", KnownChoiceField)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Make the form; one of a row that exists knows how the row was opened."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None and self.has_change_permission(request, obj):
            form = held_form(form, pages=self)
        refused = getattr(request, _REFUSED, None)
        return refused_form(form, refused) if refused else form

    def save_model(
        self, request: HttpRequest, obj: Model, form: Any, change: bool
    ) -> None:
        """Write through a service, in the transaction that Django opened."""
        values = form.cleaned_data
        if change:
            self.update(obj, {name: values[name] for name in form.changed_data})
            return
        created = self.create(values, request)
        # Django goes on with its own instance: to the log and to the next page.
        obj.__dict__.update(created.__dict__)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save the form, once; what a service refuses is said above it."""
        view = partial(super().changeform_view, request, *args, **kwargs)
        try:
            return self.once(request, view)
        except PlatformError as refused:
            setattr(request, _REFUSED, refused)
            return view()

    def once(
        self, request: HttpRequest, do: Callable[[], HttpResponse]
    ) -> HttpResponse:
        """Do what a form asks unless it was sent before; say so where it was.

        A form that was refused is shown again, with 200: it did nothing.
        """
        try:
            return do_once(request, do, is_done=_is_done)
        except FormTooOldError:
            messages.error(request, _TOO_OLD)
            return HttpResponseRedirect(request.get_full_path())
        except FormSentBeforeError as before:
            messages.warning(request, _SENT_BEFORE)
            return HttpResponseRedirect(before.address or request.get_full_path())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out of a new row's page what only a row that exists can show."""
        fields = super().get_fields(request, obj)
        return fields if obj is not None else self._written(request, fields)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the same out of the groups of fields, where a page has groups."""
        groups = super().get_fieldsets(request, obj)
        if obj is not None or not self.fieldsets:
            return groups
        return [
            (name, {**group, "fields": self._written(request, group["fields"])})
            for name, group in groups
        ]

    def _written(self, request: HttpRequest, fields: Any) -> list[tuple[str, ...]]:
        shown = set(self.get_readonly_fields(request))
        lines = [line if isinstance(line, tuple) else (line,) for line in fields]
        written = [tuple(name for name in line if name not in shown) for line in lines]
        return [line for line in written if line]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let fixed fields be written once."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if obj is None else fields + self.fixed_fields


class ReadOnlyAdmin(_Pages):
    """Pages of rows that only the product itself writes."""

    change_form_outer_before_template = "kit/audit.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: people do not write these."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: people do not write these."""
        return False


def audit_address(row: Model) -> str:
    """Return the address of the audit's entries of a row; empty where it has none."""
    audited: Audited | None = getattr(row, "audited", None)
    if audited is None:
        return ""
    about = urlencode({"object_kind": audited.noun, "object_id": row.pk})
    try:
        return f"{reverse(_AUDIT)}?{about}"
    except NoReverseMatch:
        return ""


def _is_done(answer: HttpResponse) -> bool:
    return answer.status_code == CREATED or answer.status_code in _REDIRECTS


def _page_of(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=(row.pk,))
