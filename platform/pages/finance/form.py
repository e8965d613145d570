"""Read the address of the finance page, and refuse what makes no sense.

Without a range it is the running month; days of the reader's own go before a range that
moves with the clock. Failure: a value that makes no sense leaves the form with an error
beside its field, or above it where the field is a link, and nothing is shown in its
place.
"""

import datetime as dt
import enum

from django import forms
from django.http import QueryDict

from metering.pricing.models import Price
from metering.usage.selectors import billing_day
from pages.finance.choice import (
    DAYS_MAX,
    HOUR_DAYS_MAX,
    ONE_DAY,
    By,
    Choice,
    Each,
    Period,
    Show,
    Span,
    period_of,
    possible_each,
    usual_each,
)
from tenants.models import Tenant
from tenants.selectors import tenants

TENANTS_LISTED_MAX = 200
"""More are asked for by name: nobody reads a list of thousands, but all wait for it."""
EARLIEST, LATEST = dt.date(2000, 1, 1), dt.date(2199, 12, 30)


class _Link(forms.ChoiceField):
    """A parameter that links set and the form only carries along."""

    widget = forms.HiddenInput

    def __init__(self, known: type[enum.StrEnum], name: str) -> None:
        words = ", ".join(known)
        super().__init__(
            choices=[(each.value, each.value) for each in known],
            required=False,
            error_messages={"invalid_choice": f"'{name}' is one of {words}."},
        )


class ChoiceForm(forms.Form):
    """The filters above the page, and what the links beside them chose."""

    _names_in_address = {"first": "from", "last": "to", "span": "range"}

    first = forms.DateField(
        label="From", required=False, widget=forms.DateInput({"type": "date"})
    )
    last = forms.DateField(
        label="To", required=False, widget=forms.DateInput({"type": "date"})
    )
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
    span = _Link(Span, "range")
    by = _Link(By, "by")
    show = _Link(Show, "show")
    each = _Link(Each, "each")

    def __init__(self, asked: QueryDict, *, now: dt.datetime) -> None:
        super().__init__(_readable(asked), auto_id="choice-%s")
        self._now = now
        self._period: Period | None = None
        known = tenants()
        self.fields["tenant"].queryset = known  # type: ignore[attr-defined]
        if known[TENANTS_LISTED_MAX:].exists():
            self.fields["tenant"].widget = forms.TextInput(
                {"placeholder": "all; or a tenant's short name", "autocomplete": "off"}
            )
        names = Price.objects.order_by("model").values_list("model", flat=True)
        self.models = list(names.distinct())
        self.fields["model"].choices = [  # type: ignore[attr-defined]
            ("", "All models"),
            *((name, name) for name in self.models),
        ]

    def add_prefix(self, field_name: str) -> str:
        """Return the parameter's name in the address."""
        return self._names_in_address.get(field_name, field_name)

    def clean(self) -> None:
        """Find the range; refuse one that cannot be, or is of no time we know."""
        if self.errors:
            return
        values = self.cleaned_data
        today = self._today(values["tenant"])
        if values["first"] or values["last"]:
            period = self._own_days(values["first"], values["last"], today)
        else:
            span = Span(values["span"] or Span.THIS_MONTH)
            period = period_of(span, now=self._now, today=today)
        if period is None:
            return
        if values["each"] and values["each"] not in possible_each(period):
            self.add_error(
                "each",
                f"Columns are hours for at most {HOUR_DAYS_MAX} days, and days for 2 "
                f"to {DAYS_MAX} of them: choose another range or the other columns.",
            )
        self._period = period

    def refusals(self) -> list[str]:
        """Return the errors that no visible field shows."""
        return [
            str(message) for field in self.hidden_fields() for message in field.errors
        ]

    def choice(self) -> Choice:
        """Return what was chosen; only a valid form has it."""
        values = self.cleaned_data
        if self._period is None:
            raise ValueError("a form with errors has no choice")
        return Choice(
            period=self._period,
            tenant=values["tenant"],
            model=values["model"] or None,
            by=By(values["by"] or By.MODEL),
            show=Show(values["show"] or Show.SPEND),
            each=Each(values["each"]) if values["each"] else usual_each(self._period),
        )

    def _today(self, tenant: Tenant | None) -> dt.date:
        if tenant is None:
            return self._now.astimezone(dt.UTC).date()
        return billing_day(tenant=tenant, at=self._now).date

    def _own_days(
        self, first: dt.date | None, last: dt.date | None, today: dt.date
    ) -> Period | None:
        """Return the range of the dates given; the other end is of this month."""
        month = period_of(Span.THIS_MONTH, now=self._now, today=today)
        first = first or today.replace(day=1)
        last = last or max(first, month.last)
        for name, date in (("first", first), ("last", last)):
            if not EARLIEST <= date <= LATEST:
                self.add_error(name, f"Choose a day of {EARLIEST:%Y} to {LATEST:%Y}.")
        if last < first:
            self.add_error("last", "The range ends before it begins.")
        return None if self.errors else Period(first, last + ONE_DAY)


def _readable(asked: QueryDict) -> dict[str, str]:
    # PostgreSQL has no text with a NUL in it, and says so as an error.
    return {
        name: str(asked[name]).replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name in asked
    }
