"""What operators note on a tenant: read by those who may see it, and added to.

Failure: an empty or overlong note is said beside the field; nothing is written.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from pages.access import admin_page
from pages.design.cells import instant, words
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.operations.live import SEE_TENANTS
from pages.operations.tenant.parts import Asked, Part, Shown, paged
from tenants import selectors, services
from tenants.models import NOTE_CHARS_MAX

ADD_NOTES = "tenants.add_note"


class NoteForm(forms.Form):
    """A new note."""

    text = forms.CharField(
        label="New note",
        max_length=NOTE_CHARS_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="For operators, support and finance. It stays: it is not changed.",
    )


NOTES: Table[Any] = Table(
    name="notes",
    title="Notes",
    empty=Empty("Nothing was noted on this tenant"),
    columns=(
        Column("text", "Note", lambda row: words(row.text)),
        Column("by", "By", lambda row: words(row.author)),
        Column("at", "At, UTC", lambda row: instant(row.created_at)),
    ),
)


def shown(asked: Asked) -> Shown:
    """Return the tab: the notes, and the form for whoever may add one."""
    found = paged(NOTES, selectors.notes(tenant=asked.tenant), asked.query)
    whole = found.whole
    part = Part(
        NOTES,
        _named(found.rows),
        count=found.count,
        whole=None if whole is None else lambda: _named(whole()),
    )
    if not asked.reader.has_perm(ADD_NOTES):
        return Shown(parts=[part])
    more = {
        "form": NoteForm(),
        "target": reverse("operations:note", args=(asked.tenant.pk,)),
    }
    return Shown(parts=[part], template="pages/operations/_note.html", more=more)


@admin_page(SEE_TENANTS, ADD_NOTES)
@require_POST
def add(request: HttpRequest, tenant_id: int) -> HttpResponse:
    """Add a note and go back to all of them."""
    tenant, form = selectors.tenant(tenant_id), NoteForm(request.POST)
    if form.is_valid():
        services.add_note(tenant=tenant, text=form.cleaned_data["text"])
        messages.success(request, "Noted.")
    else:
        for errors in form.errors.values():
            messages.error(request, f"Nothing was noted. {' '.join(map(str, errors))}")
    return HttpResponseRedirect(
        reverse("operations:tenant_tab", args=(tenant.pk, "notes"))
    )


def _named(rows: Any) -> list[Any]:
    authors = selectors.note_authors(rows)
    for row in rows:
        row.author = authors.get(row.author_id, "nobody")
    return list(rows)
