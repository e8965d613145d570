"""What the console's forms share: what was sent, asking again, saying what was refused.

Failure: what a service refuses is said beside the field that it is about, and the form
comes back with all that was typed.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from kit.errors import PlatformError


class TypedName(forms.Form):
    """The name of what is to end, typed once more."""

    name = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: object, expected: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._expected = expected
        self.fields["name"].label = f"Type {expected} to confirm"

    def clean_name(self) -> str:
        """Refuse another name."""
        typed = str(self.cleaned_data["name"])
        if typed.strip() != self._expected.strip():
            raise forms.ValidationError(f"This is not {self._expected}.")
        return typed


def sent(request: HttpRequest) -> QueryDict | None:
    """Return what a form was sent with; None while it is only asked for."""
    return request.POST if request.method == "POST" else None


def ask(
    request: HttpRequest, page: str, form: Form, context: dict[str, Any]
) -> HttpResponse:
    """Show a form; one that was refused answers with 400."""
    status = 400 if form.is_bound else 200
    return render(request, f"pages/console/{page}.html", context, status=status)


def say(refused: PlatformError, form: Form, fields: Mapping[str, str]) -> None:
    """Say what a service refused, beside the field that it is about."""
    name = fields.get(refused.param or "")
    form.add_error(name if name in form.fields else None, refused.message)
