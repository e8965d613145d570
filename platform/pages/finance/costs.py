"""The page of costs: which rates hold, when replicas were there, and a new rate.

Rates are entered here as in the admin, and never changed: a new one ends the last.
"""

import datetime as dt
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from kit.errors import PlatformError
from kit.money import AmountFormatError, picos_from_decimal
from kit.number_fields import WholeField
from metering.economics import selectors
from metering.economics.models import CostRate
from metering.economics.rates import Rates
from metering.economics.services import add_rate
from metering.economics.sharing import cost_of
from metering.ledger.months import month_after
from pages.access import refusal, staff_page
from pages.design import cells
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_MARGIN

ADD = "economics.add_costrate"
NO_RATES = Empty(
    "No rate yet", "Until one is entered, what replicas cost is unknown, not zero."
)


def _amount(row: CostRate) -> Cell:
    if row.picos_per_hour is None:
        return cells.nothing("ended")
    return cells.money(row.picos_per_hour, row.currency)


def _full_load(row: CostRate) -> Cell:
    if row.tokens_per_s is None:
        return cells.nothing("not said")
    return cells.number(row.tokens_per_s)


RATES: Table[CostRate] = Table(
    name="rates",
    title="Rates",
    usual_sort="-starts",
    empty=NO_RATES,
    is_one_of_many=True,
    note="The nearest holds: a replica's own, its model's, its engine's, that of all. "
    "A row without an amount ends the one before it.",
    columns=(
        Column(
            "whose",
            "Whose",
            lambda row: cells.words(
                row.subject or "all replicas",
                note=row.get_level_display() if row.subject else "",
            ),
            sort=lambda row: (row.level, row.subject),
        ),
        Column(
            "starts",
            "From",
            lambda row: cells.day(row.starts_on),
            sort=lambda row: (row.starts_on, row.pk),
        ),
        Column("amount", "An hour", _amount, Kind.NUMBER),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
        Column(
            "full",
            "Full load",
            _full_load,
            Kind.NUMBER,
            note="Output tokens a second that one replica writes at full load.",
        ),
        Column(
            "weights",
            "Input, cached",
            lambda row: cells.words(
                f"{row.input_permille} \N{PER MILLE SIGN}, "
                f"{row.cached_permille} \N{PER MILLE SIGN}"
            ),
            note="What reading a token weighs, of writing one.",
        ),
        Column("note", "Note", lambda row: cells.words(row.note)),
    ),
)


@dataclass(frozen=True, slots=True)
class Hours:
    """One replica in a month: how long it was there, and what that costs."""

    replica: str
    model: str
    us: int
    priced_us: int
    picos: int
    currency: str


def _cost(row: Hours) -> Cell:
    if not row.priced_us:
        return cells.nothing("no rate")
    note = "partly without a rate" if row.priced_us < row.us else ""
    return cells.money(row.picos, row.currency, note=note)


HOURS: Table[Hours] = Table(
    name="hours",
    title="Replica-hours",
    usual_sort="replica",
    is_one_of_many=True,
    note="From being added to being disabled, looked at each minute; days of UTC.",
    empty=Empty("No replica was there", "Replicas are noted while they are there."),
    columns=(
        Column(
            "replica",
            "Replica",
            lambda row: cells.words(row.replica),
            sort=lambda row: row.replica,
        ),
        Column(
            "model",
            "Model",
            lambda row: cells.words(row.model),
            sort=lambda row: row.model,
        ),
        Column(
            "hours",
            "Hours",
            lambda row: cells.words("{:,}:{:02}".format(*selectors.hours_of(row.us))),
            Kind.NUMBER,
            sort=lambda row: row.us,
        ),
        Column("cost", "Cost", _cost, Kind.NUMBER, sort=lambda row: row.picos),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)


class RateForm(forms.Form):
    """A new rate, in the words of people."""

    level = forms.ChoiceField(choices=CostRate.Level.choices, label="Whose")
    subject = forms.CharField(
        required=False,
        max_length=200,
        label="Name",
        help_text="Of the replica, served model or engine; empty for all replicas.",
    )
    starts_on = forms.DateField(
        label="From",
        widget=forms.DateInput({"type": "date"}),
        help_text="A day of UTC.",
    )
    amount = forms.CharField(
        required=False,
        max_length=30,
        label="Amount an hour",
        help_text="Such as 2.49; empty ends the rate before it.",
    )
    currency = forms.CharField(max_length=3, help_text="ISO 4217, such as USD.")
    tokens_per_s = WholeField(
        required=False,
        min_value=1,
        label="Tokens a second at full load",
        help_text="Of one replica; empty where nobody knows: then nothing is idle.",
    )
    note = forms.CharField(
        required=False, max_length=300, help_text="Where it comes from."
    )

    def clean_amount(self) -> int | None:
        """Return picos; None where the rate ends."""
        text = str(self.cleaned_data["amount"]).strip()
        try:
            return picos_from_decimal(text) if text else None
        except AmountFormatError as refused:
            raise forms.ValidationError(str(refused)) from None


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(*SEE_MARGIN)
def page(request: HttpRequest) -> HttpResponse:
    """Show rates and replica-hours, and take a new rate."""
    may_add = request.user.has_perm(ADD)
    if request.method == "POST":
        if not may_add:
            message = f"To enter rates your account needs the permission {ADD}."
            return refusal(request, 403, "Not yours to enter", message)
        form = RateForm(request.POST)
        if form.is_valid() and _entered(request, form):
            return redirect("finance:costs")
    else:
        form = RateForm(initial={"starts_on": dt.date.today, "currency": "USD"})
    scope = scope_of(request)
    rates = list(selectors.rates())
    hours = _hours(scope)
    if wants_file(RATES, scope.query):
        return file_of(RATES, rates, scope.query, name="cost-rates")
    if wants_file(HOURS, scope.query):
        name = f"replica-hours-{scope.month:%Y-%m}"
        return file_of(HOURS, hours, scope.query, name=name)
    context = {
        "heading": Heading(
            "Cost rates",
            scope=(scope.name, "days of UTC"),
            lead="What replicas cost by the hour, and how long each was there.",
        ),
        "form": scope.filters,
        "rate_form": form if may_add else None,
        "is_wrong": form.is_bound,
        "tables": [
            HOURS.laid_out(hours, scope.query),
            RATES.laid_out(rates, scope.query),
        ],
    }
    status = 400 if form.is_bound else 200
    return render(request, "pages/finance/costs.html", context, status=status)


def _entered(request: HttpRequest, form: RateForm) -> bool:
    terms = dict(form.cleaned_data)
    terms["picos_per_hour"] = terms.pop("amount")
    terms["currency"] = terms["currency"].upper()
    try:
        rate = add_rate(**terms)
    except PlatformError as refused:
        fields = {"picos_per_hour": "amount"}
        param = fields.get(refused.param or "", refused.param)
        form.add_error(param if param in form.fields else None, refused.message)
        return False
    messages.success(request, f"{rate}: entered. Open days are worked out anew.")
    return True


def _hours(scope: Scope) -> list[Hours]:
    """Return the month's replicas, a row for each and currency."""
    first, end = scope.month, month_after(scope.month)
    end = min(end, scope.now.astimezone(dt.UTC).date() + dt.timedelta(days=1))
    entered = selectors.rate_terms()
    sums: dict[tuple[str, str, str], list[int]] = {}
    spans = list(selectors.spans(first=first, end=end))
    day = first
    while day < end:
        held = Rates(entered, date=day)
        for span in spans:
            rate = held.of(replica=span.name, model=span.model, engine=span.engine)
            for _, us in selectors.time_on(span, day):
                key = (span.name, span.model, rate.currency if rate else "")
                row = sums.setdefault(key, [0, 0, 0])
                row[0] += us
                if rate is not None and rate.picos_per_hour is not None:
                    row[1] += us
                    row[2] += cost_of(us, rate.picos_per_hour)
        day += dt.timedelta(days=1)
    return [
        Hours(name, model, us, priced, picos, currency)
        for (name, model, currency), (us, priced, picos) in sums.items()
    ]
