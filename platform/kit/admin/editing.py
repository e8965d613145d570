"""Hold an edit against the row as it was when its page was opened.

The form carries what the row said then. When it says something else by the time the
form comes back, nothing is saved: the page says what changed meanwhile and by whom,
takes over what its reader had not touched, and a second save is a decision.

Failure: a form that says nothing of how its row was opened is refused like a stale one.
Owns: the seal of what was opened.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import QueryDict
from django.utils.formats import date_format

from kit.errors import PlatformError
from kit.orm.audited import Audited

_SALT = "kit.admin.editing"
_SHOWN_CHARS_MAX = 60

# Says who changed a row last and when; empty where it does not know.
Historian = Callable[[Model], str]


class KnownChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """The choice of a row: what no row can be called is shown as none when asked again.

    Django looks up what is chosen to show it, and breaks on text where ids are numbers.
    """

    def prepare_value(self, value: Any) -> Any:
        """Return what the form shows as chosen."""
        value = super().prepare_value(value)
        try:
            self.queryset.model._meta.pk.to_python(value)  # type: ignore[union-attr]
        except ValidationError:
            return None
        return value


class HeldForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that knows how its row was opened."""

    opened_as = forms.CharField(widget=forms.HiddenInput, required=False)
    pages: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["opened_as"] = self._seal(self.instance)

    def clean(self) -> Any:
        """Refuse a row that is not as it was opened, once."""
        cleaned = super().clean()
        rows = type(self.instance)._default_manager
        # The lock keeps the row as it is compared until it is written.
        now = rows.select_for_update(no_key=True).get(pk=self.instance.pk)
        then, said = self._opened(), self._said(now)
        differing = [name for name in said if then.get(name) != said[name]]
        if differing:
            self._take_over(then, now, differing)
            raise ValidationError(_told(now, differing, then, said, self.pages))
        return cleaned

    @property
    def changed_data(self) -> list[str]:
        """Return what the reader changed; how the row was opened is no field of it."""
        return [name for name in super().changed_data if name != "opened_as"]

    def _seal(self, row: Model) -> str:
        return signing.dumps(self._said(row), salt=_SALT, compress=True)

    def _opened(self) -> Mapping[str, Any]:
        """Return what the row said when it was opened; nothing that is not ours."""
        try:
            opened: Mapping[str, Any] = signing.loads(
                self.data.get(self.add_prefix("opened_as"), ""), salt=_SALT
            )
        except signing.BadSignature:
            return {}
        return opened

    def _said(self, row: Model) -> dict[str, Any]:
        return {**said(row), **self.pages.held_with(row)}

    def _take_over(
        self, then: Mapping[str, Any], now: Model, differing: list[str]
    ) -> None:
        """Show the row as it is now wherever the reader changed nothing."""
        data: Any = QueryDict(mutable=True)
        data.update(self.data)
        data[self.add_prefix("opened_as")] = self._seal(now)
        columns: Any = now._meta.concrete_fields
        for column in columns:
            name = column.name
            if name not in self.fields or name not in then or name not in differing:
                continue
            field, before = self.fields[name], column.to_python(then[name])
            if not field.has_changed(before, self[name].data):
                _fill(data, self.add_prefix(name), field, column.value_from_object(now))
        self.data = data


class RefusedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose service refused one of its fields, or all of it."""

    refused: PlatformError

    def clean(self) -> Any:
        """Say what was refused beside what was typed."""
        cleaned = super().clean()
        field = self.refused.param if self.refused.param in self.fields else None
        self.add_error(field, self.refused.message)
        return cleaned


def held_form(form: type[Any], *, pages: Any) -> type[Any]:
    """Return a form like `form` that is held against the row as it was opened."""
    metaclass: Any = type(form)
    made: type[Any] = metaclass(form.__name__, (HeldForm, form), {"pages": pages})
    return made


def refused_form(form: type[Any], refused: PlatformError) -> type[Any]:
    """Return a form like `form` that says what a service refused of what was typed."""
    metaclass: Any = type(form)
    made: type[Any] = metaclass(
        form.__name__, (RefusedForm, form), {"refused": refused}
    )
    return made


def said(row: Model) -> dict[str, Any]:
    """Return what a row says, field by field; nothing of what is hidden."""
    audited: Audited | None = getattr(row, "audited", None)
    hidden = audited.hidden if audited else frozenset()
    return {
        field.name: _text(field, row)
        for field in row._meta.concrete_fields
        if field.attname not in hidden
    }


class _Source:
    historian: Historian | None = None


def read_from(historian: Historian) -> None:
    """Ask here, before the admin's own log, who changed a row last."""
    _Source.historian = historian


def changed_last(row: Model) -> str:
    """Say who changed a row last, and when; empty when nobody is known to have.

    The admin's own log knows of its pages alone, so it has the second word.
    """
    known = _Source.historian(row) if _Source.historian else ""
    return known or _logged_last(row)


def _logged_last(row: Model) -> str:
    kind = ContentType.objects.get_for_model(row)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk))
    last = entries.select_related("user").order_by("-action_time").first()
    if last is None:
        return ""
    at = date_format(last.action_time, "H:i:s")
    return f"{last.user.get_username()} at {at}"


def _text(field: Any, row: Model) -> Any:
    value = field.value_from_object(row)
    return None if value is None else str(field.value_to_string(row))


def _fill(data: Any, key: str, field: forms.Field, value: Any) -> None:
    """Put a value into a form's data as its widget would have sent it."""
    widget: Any = field.widget
    shown = field.prepare_value(value)
    if hasattr(widget, "decompress"):
        # Of several boxes, as of a date and a time.
        parts = zip(widget.widgets_names, widget.decompress(value), strict=True)
        for suffix, part in parts:
            data[key + suffix] = "" if part is None else str(part)
    elif isinstance(widget, forms.CheckboxInput) and not value:
        data.pop(key, None)
    elif isinstance(shown, list):
        data.setlist(key, [str(each) for each in shown])
    else:
        data[key] = "" if shown is None else str(shown)


def _told(
    now: Model,
    differing: list[str],
    then: Mapping[str, Any],
    said: Mapping[str, Any],
    pages: Any,
) -> str:
    if not then:
        return "The page was not sent whole. Nothing was saved; look again and save."
    by = pages.last_changed(now)
    changes = "; ".join(
        f"{_name(now, name)} is now {_quoted(said[name])}, it was "
        f"{_quoted(then.get(name))}"
        for name in differing
    )
    return (
        f"This changed while you had it open{f', last by {by}' if by else ''}: "
        f"{changes}. Nothing was saved. What you wrote stands below; save again to put "
        "it in place."
    )


def _name(row: Model, name: str) -> str:
    names = {field.name: field.verbose_name for field in row._meta.concrete_fields}
    return str(names.get(name, name))


def _quoted(value: Any) -> str:
    if value in (None, ""):
        return "empty"
    text = str(value)
    return f"“{text[:_SHOWN_CHARS_MAX]}{'…' if len(text) > _SHOWN_CHARS_MAX else ''}”"
