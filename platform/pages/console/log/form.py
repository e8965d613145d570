"""What of the request log is asked for: read from the address, refused by its field.

Instants are written as the clocks of the tenant's zone show them. Failure: what makes
no sense leaves the form with an error, and the page shows nothing in its place.
"""

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict

from kit.acting import current
from kit.contracts import EventStatus
from kit.money import AmountFormatError, picos_from_decimal
from kit.number_fields import WholeField
from kit.scopes import Scope
from metering.usage.request_log import CHARGE_PICOS_MAX, RequestQuery
from pages.design.filters import FilterForm, LinkField
from tenants.models import ApiKey, Member
from tenants.selectors import api_keys, projects

# A list to choose from holds no more; a link of a row leads to any other key.
CHOICES_MAX = 200
_US_PER_MS = 1000
_EARLIEST, _LATEST = 2000, 2199
_MS_DIGITS = 9
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
STATUS_WORDS = {
    EventStatus.OK: "ended well",
    EventStatus.CLIENT_GONE: "client stopped",
    EventStatus.ENGINE_ERROR: "engine failed",
    EventStatus.ENGINE_TIMEOUT: "engine timed out",
    EventStatus.BUDGET_EXHAUSTED: "budget used up",
    EventStatus.KEY_REVOKED: "key revoked",
    EventStatus.DRAINED: "gateway stopped",
    EventStatus.UNDELIVERED: "not delivered",
}
_STATUSES = {each.name.lower(): each for each in EventStatus}


class LocalField(forms.Field):
    """An instant as the clocks of a zone show it, such as `2026-11-22T14:30`."""

    def __init__(self, *, label: str, zone: ZoneInfo) -> None:
        widget = forms.TextInput({"type": "datetime-local", "step": "1"})
        super().__init__(label=label, required=False, widget=widget)
        self._zone = zone

    def to_python(self, value: Any) -> dt.datetime | None:
        """Return the instant."""
        if value in self.empty_values:
            return None
        try:
            found = dt.datetime.fromisoformat(str(value).strip())
        except ValueError:
            found = None
        if found is None or not _EARLIEST <= found.year <= _LATEST:
            raise forms.ValidationError("Give an instant such as 2026-11-22T14:30.")
        return found if found.tzinfo else found.replace(tzinfo=self._zone)


class AmountField(forms.CharField):
    """An amount in the tenant's currency; its value is in picos."""

    def to_python(self, value: Any) -> Any:
        """Return the amount in picos, None where none is given."""
        text = super().to_python(value)
        if not text:
            return None
        try:
            return min(picos_from_decimal(text), CHARGE_PICOS_MAX)
        except AmountFormatError:
            raise forms.ValidationError("Give an amount such as 0.05.") from None


class RequestIdField(forms.CharField):
    """A request's id, alone or in what an answer named it by."""

    def to_python(self, value: Any) -> Any:
        """Return the id, None where none is given."""
        text = super().to_python(value)
        if not text:
            return None
        found = _ID.search(text)
        if found is None:
            raise forms.ValidationError("Give an id as answers have it, x-request-id.")
        return UUID(found[0])


class LogForm(FilterForm):
    """The filters of the log."""

    names_in_address: ClassVar = {
        "start": "from",
        "end": "to",
        "spend": "min",
        "slow": "slower",
        "request_id": "id",
    }

    request_id = RequestIdField(
        label="Request id",
        required=False,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    model = forms.ChoiceField(label="Model", required=False)
    project = forms.ChoiceField(label="Project", required=False)
    key = forms.ChoiceField(label="API key", required=False)
    status = forms.ChoiceField(
        label="Ended",
        required=False,
        choices=[
            ("", "However"),
            *((each.name.lower(), STATUS_WORDS[each]) for each in EventStatus),
        ],
    )
    slow = WholeField(
        label="Took at least, ms",
        required=False,
        min_value=0,
        max_value=10**_MS_DIGITS,
        widget=forms.TextInput({"inputmode": "numeric", "size": "8"}),
    )
    live = LinkField("live", ["yes"])

    def __init__(
        self,
        asked: QueryDict,
        *,
        place: Member,
        models: Iterable[str],
        now: dt.datetime,
    ) -> None:
        super().__init__(asked)
        tenant = place.tenant
        zone = ZoneInfo(tenant.zone)
        self.fields["start"] = LocalField(label="From", zone=zone)
        self.fields["end"] = LocalField(label="To, exclusive", zone=zone)
        self.fields["spend"] = AmountField(
            label=f"Spend at least, {tenant.currency}",
            required=False,
            widget=forms.TextInput({"inputmode": "decimal", "size": "10"}),
        )
        self.order_fields(["start", "end"])
        asked_model = self.data.get("model", "")
        self._offer("model", "All models", ((name, name) for name in models))
        if asked_model:
            self._offer_too("model", asked_model, asked_model)
        self._offer("project", "All projects", self._projects(place))
        if current().may(Scope.KEYS_READ):
            self._offer("key", "All keys", self._keys(now))
        else:
            del self.fields["key"]

    def clean(self) -> None:
        """Refuse a range that ends before it begins."""
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and end <= start:
            self.add_error("end", "The range ends before it begins.")

    def query(self, place: Member) -> RequestQuery:
        """Return the question to the log; only a valid form has it."""
        asked = self.cleaned_data
        slow, status = asked["slow"], asked["status"]
        return RequestQuery(
            tenant_id=place.tenant_id,
            start=asked["start"],
            end=asked["end"],
            project_id=int(asked["project"]) if asked["project"] else None,
            api_key_id=int(asked["key"]) if asked.get("key") else None,
            model=asked["model"] or None,
            status=_STATUSES[status] if status else None,
            request_id=asked["request_id"],
            charge_picos_min=asked["spend"],
            duration_us_min=None if slow is None else slow * _US_PER_MS,
            reach=current().project_ids,
        )

    def _offer(
        self, name: str, everything: str, choices: Iterable[tuple[str, str]]
    ) -> None:
        field = self.fields[name]
        field.choices = [("", everything), *choices]  # type: ignore[attr-defined]

    def _offer_too(self, name: str, value: str, words: str) -> None:
        """Offer what the address names besides, be it retired or beyond the list."""
        field = self.fields[name]
        known = {each for each, _ in field.choices}  # type: ignore[attr-defined]
        if value not in known:
            field.choices = [*field.choices, (value, words)]  # type: ignore[attr-defined]

    def _projects(self, place: Member) -> list[tuple[str, str]]:
        rows = projects(
            tenant_id=place.tenant_id, project_ids=current().project_ids
        ).order_by("slug")
        return [(f"{row.pk}", row.slug) for row in rows[:CHOICES_MAX]]

    def _keys(self, now: dt.datetime) -> list[tuple[str, str]]:
        found: list[ApiKey] = list(api_keys(now=now).order_by("-pk")[:CHOICES_MAX])
        asked = self.data.get("key", "")
        if asked.isascii() and asked.isdigit() and len(asked) <= _MS_DIGITS:
            known = {row.pk for row in found}
            if int(asked) not in known:
                found += api_keys(now=now).filter(pk=int(asked))
        return [(f"{row.pk}", f"{row.name} ({row.shown})") for row in found]
