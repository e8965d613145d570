"""What a page of the books shows: one month and one currency, from its address.

The running month is the usual one, and is said to be so far. Amounts of different
currencies are never added: with several, the reader chooses one. Failure: a month or
currency that cannot be is `InvalidRequest`, with the field that it stands in.
"""

import datetime as dt
from dataclasses import dataclass, replace

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from kit.errors import InvalidRequest
from metering.ledger.months import booked_currencies
from metering.usage.selectors import complete_to, database_now
from pages.design.address import address, query_of
from pages.design.filters import FilterForm, MonthField
from pages.design.heading import Fresh, fresh
from pages.design.states import Empty

NO_BOOKS = Empty(
    "Nothing is booked yet",
    "The books of every tenant were looked at. Use is booked once its day is over, an "
    "hour and a lease's life later; what was used since is on the page of usage.",
    action="See usage",
)


class MonthForm(FilterForm):
    """The month and the currency of a page; links carry the rest along."""

    month = MonthField(required=False, label="Month")
    currency = forms.ChoiceField(required=False, label="Currency")
    by = forms.CharField(required=False, widget=forms.HiddenInput)
    tenant = forms.CharField(required=False, widget=forms.HiddenInput)
    cohort = MonthField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, request: HttpRequest, currencies: list[str], *, has_month: bool
    ) -> None:
        super().__init__(request.GET)
        if not has_month:
            del self.fields["month"]
        field = self.fields["currency"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [(each, each) for each in currencies]
        field.error_messages["invalid_choice"] = "Nothing is booked in this currency."
        if len(currencies) < 2:
            field.widget = forms.HiddenInput()


@dataclass(frozen=True, slots=True)
class Scope:
    """What was asked for; `currency` is empty while nothing is booked at all."""

    query: dict[str, str]
    form: MonthForm
    now: dt.datetime
    month: dt.date
    currency: str
    cohort: dt.date | None = None
    """The month of their first revenue, where only these tenants are asked for."""

    @property
    def this_month(self) -> dt.date:
        """Return the running month."""
        return self.now.astimezone(dt.UTC).date().replace(day=1)

    @property
    def is_running(self) -> bool:
        """Tell whether the month is not over."""
        return self.month >= self.this_month

    @property
    def name(self) -> str:
        """Return the month as it is said, and whether it may still grow."""
        return f"{self.month:%B %Y}{', so far' if self.is_running else ''}"

    @property
    def slug(self) -> str:
        """Return what names it in files."""
        whose = f"-of-{self.cohort:%Y-%m}" if self.cohort else ""
        return f"{self.month:%Y-%m}-{self.currency.lower()}{whose}"

    @property
    def said(self) -> tuple[str, ...]:
        """Return the scope as headings say it."""
        parts = (self.name, "days of each tenant's zone", "excluding tax")
        return (*parts, f"in {self.currency}") if self.currency else parts

    @property
    def empty(self) -> Empty | None:
        """Return what stands in place of figures while nothing is booked."""
        if self.currency:
            return None
        return replace(NO_BOOKS, address=reverse("finance:usage"))

    @property
    def filters(self) -> MonthForm | None:
        """Return the form, if there is anything to fill in."""
        return self.form if self.form.visible_fields() else None

    def fresh(self) -> Fresh:
        """Return how complete usage is; the books follow as days end."""
        return fresh(complete_to(now=self.now), now=self.now)

    def address(self, **changes: str) -> str:
        """Return the query of the same page, otherwise chosen."""
        return address(self.query, **changes)


def scope_of(
    request: HttpRequest, *, has_month: bool = True, month: dt.date | None = None
) -> Scope:
    """Return what an address asks for; raises `InvalidRequest`.

    A page whose path names the `month`, or that shows none, has no field for it.
    """
    now = database_now()
    currencies = booked_currencies()
    form = MonthForm(request, currencies, has_month=has_month and not month)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise InvalidRequest(str(errors[0]), param=field)
    query = {name: value for name, value in query_of(request.GET).items() if value}
    this_month = now.astimezone(dt.UTC).date().replace(day=1)
    month = month or form.cleaned_data.get("month") or this_month
    currency = form.cleaned_data["currency"] or (currencies[0] if currencies else "")
    form.data = {**query, "month": f"{month:%Y-%m}", "currency": currency}
    cohort = form.cleaned_data["cohort"]
    return Scope(query, form, now, month, currency, cohort)
