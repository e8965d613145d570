"""Rows that belong to a page's row: the newest few, and a link to the list of them."""

from typing import Any

from django.forms import BaseForm
from django.http import HttpRequest
from unfold.admin import TabularInline


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows that belong to the page's row, to be read and followed.

    A page holds `per_page` of them however many there are.
    """

    extra = 0
    per_page = 20
    show_change_link = True
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: each has a page of its own."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: each has a page of its own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing with history is deleted."""
        return False


def label_cells(form: BaseForm) -> None:
    """Say in each field what it is: in a table's row only the column's head does."""
    for name, field in form.fields.items():
        said = field.label or name.replace("_", " ")
        field.widget.attrs.setdefault("aria-label", str(said))
