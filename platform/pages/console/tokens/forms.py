"""Forms of personal management tokens: what a new one may do, how an old one ends."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.forms.boundfield import BoundWidget

from kit.number_fields import WholeField
from kit.scopes import DATA_PLANE, Scope
from tenants.credentials import OVERLAP_DEFAULT
from tenants.models import ManagementToken
from tenants.services.tokens import PERSONAL_DEFAULT, PERSONAL_MAX

_TITLES = {
    "tenant": "The tenant",
    "projects": "Projects",
    "members": "Members and invitations",
    "keys": "API keys",
    "tokens": "Management tokens",
    "limits": "Limits",
    "catalog": "Models and prices",
    "usage": "Usage",
    "billing": "Invoices",
    "webhooks": "Webhooks",
    "audit": "Audit",
    "": "Hand on to API keys",
}
_OVERLAPS = (
    (0, "no longer"),
    (3600, "an hour"),
    (86_400, "24 hours"),
    (3 * 86_400, "3 days"),
    (7 * 86_400, "7 days"),
)


@dataclass(frozen=True, slots=True)
class ScopeGroup:
    """Boxes of what may be done with one kind of thing, each with its word."""

    title: str
    boxes: tuple[tuple[str, BoundWidget], ...]


class NewTokenForm(forms.Form):
    """A new token; of scopes it offers those that whoever asks may give."""

    name = forms.CharField(
        label="Name",
        max_length=ManagementToken._meta.get_field("name").max_length,
        help_text="What it is for: the program, and where it runs.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one."},
    )
    days = WholeField(
        label="Days until it ends",
        min_value=1,
        max_value=PERSONAL_MAX.days,
        initial=PERSONAL_DEFAULT.days,
        help_text=f"{PERSONAL_MAX.days} at most.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    # Where what the service refuses is said, by the name that it has there.
    fields_of_refusals: ClassVar = {
        "name": "name",
        "scopes": "scopes",
        "expires_at": "days",
    }

    def __init__(self, *args: Any, held: Collection[Scope], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held = frozenset(held)
        ordered = [scope for scope in Scope if scope in held]
        choices = [(scope.value, scope.value) for scope in ordered]
        self.fields["scopes"].choices = choices  # type: ignore[attr-defined]

    @property
    def groups(self) -> list[ScopeGroup]:
        """Return the boxes of scopes by what they are about."""
        found: dict[str, list[tuple[str, BoundWidget]]] = {}
        for box in self["scopes"].subwidgets:
            scope = Scope(str(box.data["value"]))
            about, _, word = scope.rpartition(":")
            found.setdefault(about, []).append((word, box))
        return [
            ScopeGroup(title, tuple(found[about]))
            for about, title in _TITLES.items()
            if about in found
        ]

    @property
    def hands_on(self) -> bool:
        """Tell whether rights of API keys are among what is offered."""
        return not DATA_PLANE.isdisjoint(self._held)

    def expires_at(self, *, now: dt.datetime) -> dt.datetime:
        """Return when the token that was asked for ends."""
        return now + dt.timedelta(days=self.cleaned_data["days"])


class RotationForm(forms.Form):
    """How long a token that is replaced goes on working."""

    overlap_s = forms.TypedChoiceField(
        label="The old one works for",
        coerce=int,
        choices=_OVERLAPS,
        initial=int(OVERLAP_DEFAULT.total_seconds()),
    )

    fields_of_refusals: ClassVar = {"overlap_s": "overlap_s"}

    @property
    def overlap(self) -> dt.timedelta:
        """Return the span that was chosen."""
        return dt.timedelta(seconds=self.cleaned_data["overlap_s"])
