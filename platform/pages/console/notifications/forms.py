"""Forms of webhook endpoints: what is called with what, and how a secret ends."""

import datetime as dt
from typing import ClassVar

from django import forms

from metering.alerts.models import CHOSEN_EVENTS, Endpoint
from tenants.credentials import OVERLAP_DEFAULT

_OVERLAPS = (
    (0, "no longer"),
    (3600, "an hour"),
    (86_400, "24 hours"),
    (3 * 86_400, "3 days"),
    (7 * 86_400, "7 days"),
)
MEANINGS = {
    "budget.threshold_reached": "a share of a limit is used",
    "budget.spent": "a limit is used up: calls are refused",
    "budget.resumed": "what was used up can be used again",
    "top_up.waiting": "a top-up waits to be paid for",
    "top_up.failed": "a top-up could not be bought",
    "model.retiring": "a model that was called lately retires",
    "webhook_endpoint.paused": "a webhook endpoint is paused",
    "webhook_endpoint.test": "a test",
}


class EndpointForm(forms.Form):
    """An endpoint: its name, its address, the events that it is called with."""

    name = forms.CharField(
        label="Name",
        max_length=Endpoint._meta.get_field("name").max_length,
        help_text="What takes the events, and where it runs.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    url = forms.CharField(
        label="Address",
        max_length=2000,
        help_text="It is called by https, at a public address.",
        widget=forms.URLInput({"autocomplete": "off", "placeholder": "https://"}),
    )
    events = forms.MultipleChoiceField(
        label="Events",
        required=False,
        choices=[
            (each.value, f"{each.value}: {MEANINGS[each.value]}")
            for each in CHOSEN_EVENTS
        ],
        help_text="None chosen means all, and those that are added later.",
        widget=forms.CheckboxSelectMultiple,
    )

    fields_of_refusals: ClassVar = {"name": "name", "url": "url", "events": "events"}


class SecretForm(forms.Form):
    """How long a secret that is replaced is signed with as well."""

    overlap_s = forms.TypedChoiceField(
        label="Calls are signed by the old secret as well for",
        coerce=int,
        choices=_OVERLAPS,
        initial=int(OVERLAP_DEFAULT.total_seconds()),
    )

    fields_of_refusals: ClassVar = {"overlap_s": "overlap_s"}

    @property
    def overlap(self) -> dt.timedelta:
        """Return the span that was chosen."""
        return dt.timedelta(seconds=self.cleaned_data["overlap_s"])
