"""Filters above a page: read from its address, refused beside the field.

A page's filter form is a `FilterForm`; its visible fields are what the reader sets, its
hidden ones what links beside it choose and the form carries along. Failure: a value
that makes no sense leaves the form with an error, and the page shows nothing in its
place.
"""

import datetime as dt
import re
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict

from pages.design.address import query_of

EARLIEST, LATEST = dt.date(2000, 1, 1), dt.date(2199, 12, 1)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


class FilterForm(forms.Form):
    """The filters of a page; `names_in_address` renames some of them."""

    names_in_address: ClassVar[dict[str, str]] = {}

    def __init__(self, asked: QueryDict) -> None:
        super().__init__(query_of(asked), auto_id="choice-%s")

    def add_prefix(self, field_name: str) -> str:
        """Return the parameter's name in the address."""
        return self.names_in_address.get(field_name, field_name)

    def refusals(self) -> list[str]:
        """Return the errors that no visible field shows."""
        hidden = [
            str(error) for field in self.hidden_fields() for error in field.errors
        ]
        return [*hidden, *(str(error) for error in self.non_field_errors())]


class MonthField(forms.Field):
    """A month as `2026-11`; its value is the first day of it."""

    widget = forms.TextInput({"type": "month", "size": "8", "placeholder": "2026-11"})

    def to_python(self, value: Any) -> dt.date | None:
        """Return the month's first day."""
        if value in self.empty_values:
            return None
        found = _MONTH.fullmatch(str(value).strip())
        if not found or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1:
            raise forms.ValidationError("A month is written like 2026-11.")
        month = dt.date(int(found[1]), int(found[2]), 1)
        if not EARLIEST <= month <= LATEST:
            raise forms.ValidationError(
                f"Choose a month of {EARLIEST:%Y} to {LATEST:%Y}."
            )
        return month

    def prepare_value(self, value: Any) -> Any:
        """Show a month as it is written."""
        return f"{value:%Y-%m}" if isinstance(value, dt.date) else value


class DayField(forms.DateField):
    """A day of the calendar that pages know: one that a day can be added to."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
        super().__init__(**{"widget": widget, **options})

    def clean(self, value: Any) -> dt.date | None:
        """Return the day; refuse one that is out of the calendar."""
        found: dt.date | None = super().clean(value)
        if found is not None and not EARLIEST <= found <= LATEST:
            raise forms.ValidationError(
                f"Choose a day of {EARLIEST:%Y} to {LATEST:%Y}."
            )
        return found


class LinkField(forms.ChoiceField):
    """A parameter that links set and the form only carries along."""

    widget = forms.HiddenInput

    def __init__(self, name: str, values: list[str]) -> None:
        words = ", ".join(values)
        super().__init__(
            choices=[(value, value) for value in values],
            required=False,
            error_messages={"invalid_choice": f"'{name}' is one of {words}."},
        )
