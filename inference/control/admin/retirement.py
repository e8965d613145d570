"""The dialog in which operators say when a model retires and what to call instead."""

import datetime as dt
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from inference.caching.naming import priced_as
from inference.control import selectors
from inference.control.models import ServedModel
from kit.admin import Confirmation
from tenants import activity

USED_WITHIN = dt.timedelta(days=30)
_AT = "%Y-%m-%d %H:%M"


class _MomentWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc]
    """A day and a time, as the browser lets people choose them."""

    input_type = "datetime-local"


class RetirementForm(Confirmation):
    """When, and what instead."""

    retires_at = forms.DateTimeField(
        label="Retires at",
        widget=_MomentWidget,
        help_text="In UTC. From then on its calls are refused.",
    )
    successor = forms.ModelChoiceField(
        ServedModel.objects.none(),
        required=False,
        empty_label="nothing",
        widget=UnfoldAdminSelectWidget,
        label="Call instead",
        help_text="An offered model that serves all that this one does.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["successor"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the types
        field.queryset = selectors.served_models(enabled=True).exclude(
            pk=self.object_id if str(self.object_id).isdecimal() else 0
        )

    def consequence(self, object_id: str) -> str:
        """Say what is planned now, and by which other names it is called."""
        row = selectors.served_model(int(object_id))
        aliases = selectors.aliases(model=row.name, enabled=True)
        also = ", ".join(each.name for each in aliases)
        called = f" It is also called {also}." if also else ""
        since = timezone.now() - USED_WITHIN
        names = (row.name, priced_as(row.name))
        callers = activity.callers_of(names, since=since)
        if callers is not None:
            called += f" Tenants that called it within 30 days: {callers:,}."
        if row.retires_at is None:
            return f"Now {row} does not retire.{called}"
        instead = f", then call {row.successor}" if row.successor else ""
        return f"Now {row} retires at {row.retires_at:{_AT}} UTC{instead}.{called}"
