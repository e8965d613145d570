"""What the finance page was asked to show: its address is its state.

Dates are days as people say them, both included. Failure: a value that makes no sense
leaves the form with an error beside the field, and nothing is shown in its place.
"""

import datetime as dt
from dataclasses import dataclass
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict

from metering.pricing.models import Price
from metering.usage.selectors import UsageQuery, billing_month
from tenants.models import Tenant
from tenants.selectors import tenants

ONE_DAY = dt.timedelta(days=1)
EARLIEST, LATEST = dt.date(2000, 1, 1), dt.date(2199, 12, 30)


@dataclass(frozen=True, slots=True)
class Choice:
    """A range of days, both included, of one tenant or all, of one model or all."""

    first: dt.date
    last: dt.date
    tenant: Tenant | None = None
    model: str | None = None

    def question(self) -> UsageQuery:
        """Return the question to the usage selector, not yet divided."""
        return UsageQuery(
            start=self.first,
            end=self.last + ONE_DAY,
            tenant_id=self.tenant.pk if self.tenant else None,
            model=self.model,
        )

    def address(self, first: dt.date, last: dt.date) -> str:
        """Return the query of the same page for another range."""
        asked = {"from": first.isoformat(), "to": last.isoformat()}
        if self.tenant:
            asked["tenant"] = self.tenant.slug
        if self.model:
            asked["model"] = self.model
        return "?" + urlencode(asked)


class ChoiceForm(forms.Form):
    """The filters above the page; by default the running month and everything."""

    _names_in_address = {"first": "from", "last": "to"}

    first = forms.DateField(label="From", widget=forms.DateInput({"type": "date"}))
    last = forms.DateField(label="To", widget=forms.DateInput({"type": "date"}))
    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.none(),
        to_field_name="slug",
        required=False,
        empty_label="All tenants",
        error_messages={"invalid_choice": "There is no such tenant."},
    )
    model = forms.ChoiceField(
        required=False,
        error_messages={"invalid_choice": "No such model was ever priced."},
    )

    def __init__(self, asked: QueryDict, *, now: dt.datetime) -> None:
        super().__init__(_completed(asked, now), auto_id="choice-%s")
        self.fields["tenant"].queryset = tenants()  # type: ignore[attr-defined]
        names = Price.objects.order_by("model").values_list("model", flat=True)
        self.fields["model"].choices = [  # type: ignore[attr-defined]
            ("", "All models"),
            *((name, name) for name in names.distinct()),
        ]

    def add_prefix(self, field_name: str) -> str:
        """Return the parameter's name in the address."""
        return self._names_in_address.get(field_name, field_name)

    def clean(self) -> None:
        """Refuse a range that ends before it begins, or is of no time we know."""
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last and last < first:
            self.add_error("last", "The range ends before it begins.")
        for name, date in (("first", first), ("last", last)):
            if date and not EARLIEST <= date <= LATEST:
                self.add_error(name, f"Choose a day of {EARLIEST:%Y} to {LATEST:%Y}.")

    def choice(self) -> Choice:
        """Return what was chosen; only a valid form has it."""
        values = self.cleaned_data
        return Choice(
            first=values["first"],
            last=values["last"],
            tenant=values["tenant"],
            model=values["model"] or None,
        )


def _completed(asked: QueryDict, now: dt.datetime) -> dict[str, str]:
    """Return the parameters, with the running month where no day is given."""
    # PostgreSQL has no text with a NUL in it, and says so as an error.
    values = {
        name: str(asked[name]).replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name in asked
        if asked[name]
    }
    owner = tenants(slug=values["tenant"]).first() if "tenant" in values else None
    month, end = billing_month(now=now, tenant=owner)
    values.setdefault("from", month.isoformat())
    values.setdefault("to", max(values["from"], (end - ONE_DAY).isoformat()))
    return values


@dataclass(frozen=True, slots=True)
class QuickRange:
    """A link to a range that is often wanted."""

    label: str
    address: str
    is_current: bool


def quick_ranges(choice: Choice, *, today: dt.date) -> list[QuickRange]:
    """Return the ranges that are a click away."""
    month = today.replace(day=1)
    next_month = (month + 31 * ONE_DAY).replace(day=1)
    last_month = (month - ONE_DAY).replace(day=1)
    ranges = (
        ("This month", month, next_month - ONE_DAY),
        ("Last month", last_month, month - ONE_DAY),
        ("Last 7 days", today - 6 * ONE_DAY, today),
        ("Last 30 days", today - 29 * ONE_DAY, today),
    )
    return [
        QuickRange(
            label,
            choice.address(first, last),
            (first, last) == (choice.first, choice.last),
        )
        for label, first, last in ranges
    ]
