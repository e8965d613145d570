"""Raise one of a tenant's limits until a date: what held before holds again after it.

A limit until a date stands before the one that holds for good, so nothing of that is
changed, and nobody has to remember to lower it again. A GET says what will follow, a
POST does it; the same POST again finds it done and sets nothing. Failure: what makes no
sense is said beside its field, what the service refuses above the form; nothing is
written then.
"""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from kit.errors import NotFound, PlatformError
from kit.money import AmountFormatError, format_picos, picos_from_decimal, ungrouped
from metering.usage.zones import date_at, day_start
from pages.access import admin_page, refusal
from pages.design.heading import Crumb, Heading
from pages.operations.shell import Reader, framed
from tenants import selectors, services
from tenants.admin.limits_in_effect import Line, limits_of
from tenants.limits.resolution import Kind, Measure
from tenants.models import Budget, Quota, RateLimit, Tenant
from tenants.models.limits import VALUE_MAX
from tenants.selectors.limits import measure_of

SEE_TENANTS, SEE_LIMITS = "tenants.view_tenant", "tenants.view_budget"
DAYS_MAX = 366
_RIGHTS = {
    Kind.RATE_LIMIT: "tenants.add_ratelimit",
    Kind.QUOTA: "tenants.add_quota",
    Kind.BUDGET: "tenants.add_budget",
}
_ROWS: dict[Kind, type[RateLimit | Quota | Budget]] = {
    Kind.RATE_LIMIT: RateLimit,
    Kind.QUOTA: Quota,
    Kind.BUDGET: Budget,
}
_DIGITS_MAX = 18
_ONE_DAY = dt.timedelta(days=1)


class RaiseForm(forms.Form):
    """How much more, and the last day of it."""

    value = forms.CharField(label="New limit", max_length=60)
    until = forms.DateField(
        label="Last day",
        widget=forms.DateInput({"type": "date"}),
        help_text="It holds to the end of this day, by the tenant's clock.",
    )

    def __init__(self, line: Line, today: dt.date, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line, self._today = line, today
        measure = line.row.measure
        if measure.kind is Kind.BUDGET:
            self.fields["value"].help_text = f"In {measure.currency}, such as 250.00."

    def clean_value(self) -> int:
        """Return the new limit, more than the one that holds now."""
        text = ungrouped(str(self.cleaned_data["value"]))
        if self._line.row.measure.kind is Kind.BUDGET:
            try:
                value = picos_from_decimal(text)
            except AmountFormatError as error:
                raise ValidationError(f"{error}.") from None
        elif text.isascii() and text.isdigit() and int(text) <= VALUE_MAX:
            value = int(text)
        else:
            raise ValidationError("Give a whole number.")
        if value <= self._line.row.value:
            raise ValidationError(
                f"Give more than {self._line.amount}, which holds now; a lower limit is"
                " set under Limits."
            )
        return value

    def clean_until(self) -> dt.date:
        """Return the last day, today or one of the coming year."""
        until: dt.date = self.cleaned_data["until"]
        if not self._today <= until <= self._today + dt.timedelta(days=DAYS_MAX):
            raise ValidationError("Choose today or a day of the coming year.")
        return until


def raise_address(tenant: Tenant, line: Line, reader: Reader) -> str:
    """Return where somebody raises a limit; empty where they may not, or cannot.

    What the tenant has set itself it raises itself.
    """
    if line.row.is_tenants or not reader.has_perm(_RIGHTS[line.row.measure.kind]):
        return ""
    address = reverse("operations:raise", args=(tenant.pk,))
    return f"{address}?limit={_name(line)}"


@admin_page(SEE_TENANTS, SEE_LIMITS)
def raise_limit(request: HttpRequest, tenant_id: int) -> HttpResponse:
    """Ask how much and until when, or do it."""
    tenant, now = selectors.tenant(tenant_id), timezone.now()
    back = reverse("operations:tenant_tab", args=(tenant.pk, "limits"))
    name = request.GET.get("limit", "")
    if request.method == "POST" and (held := _raised(tenant, name, now)):
        messages.info(request, f"Raised before: {held.amount} {held.counted} holds.")
        return HttpResponseRedirect(back)
    line = _line(tenant, name, now)
    if not raise_address(tenant, line, request.user):
        right = _RIGHTS[line.row.measure.kind]
        message = f"Your account may not raise this. Ask an operator for {right}."
        return refusal(request, 403, "Not yours to raise", message)
    form = RaiseForm(line, date_at(now, tenant.zone), request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            said = _raise(tenant, line, form.cleaned_data, now)
        except PlatformError as refused:
            form.add_error(None, refused.message)
        else:
            messages.success(request, said)
            return HttpResponseRedirect(back)
    heading = Heading(
        f"Raise: {line.counted}",
        scope=(tenant.slug, f"model: {line.model}", line.does),
        crumbs=(Crumb(tenant.name, back),),
    )
    context = {"form": form, "line": line, "tenant": tenant, "back": back}
    return framed(request, "pages/operations/raise.html", heading, context)


def _raise(tenant: Tenant, line: Line, asked: dict[str, Any], now: dt.datetime) -> str:
    """Set the limit and say what holds until when."""
    row, value = line.row, asked["value"]
    ends_at = day_start(asked["until"] + _ONE_DAY, tenant.zone)
    terms: dict[str, Any] = {
        "holder": services.Holder.of(tenant=tenant),
        "now": now,
        "window": row.measure.window,
        "model": row.model,
        "is_hard": row.is_hard,
        "ends_at": ends_at,
    }
    if row.measure.kind is Kind.BUDGET:
        services.create_budget(amount_picos=value, warn_at=list(row.warn_at), **terms)
    elif row.measure.kind is Kind.QUOTA:
        services.create_quota(
            unit=row.measure.unit, value=value, warn_at=list(row.warn_at), **terms
        )
    else:
        services.create_rate_limit(unit=row.measure.unit, value=value, **terms)
    return (
        f"{_shown(value, row.measure)} {line.counted} until {ends_at:%Y-%m-%d %H:%M}"
        f" UTC; then {line.amount} again."
    )


def _line(tenant: Tenant, name: str, now: dt.datetime) -> Line:
    found = [each for each in limits_of(tenant, now=now).lines if _name(each) == name]
    if not found:
        raise NotFound("This limit is not in effect: choose one under Limits.")
    return found[0]


def _raised(tenant: Tenant, name: str, now: dt.datetime) -> Line | None:
    """Return the limit until a date that stands before a named one, if one does.

    It is what the same form sent twice finds.
    """
    kind, _, number = name.partition("-")
    if kind not in _ROWS or not number.isdecimal() or len(number) > _DIGITS_MAX:
        return None
    row = _ROWS[Kind(kind)].objects.filter(pk=int(number)).first()
    if row is None or row.tenant_id not in {None, tenant.pk}:
        return None
    for line in limits_of(tenant, now=now).lines:
        held = line.row
        is_before = held.ends_at is not None and held.id != row.pk
        place = (held.measure, held.level, held.model, held.is_hard)
        if is_before and place == (
            measure_of(row),
            row.level,
            row.model,
            row.is_hard,
        ):
            return line
    return None


def _name(line: Line) -> str:
    return f"{line.row.measure.kind}-{line.row.id}"


def _shown(value: int, measure: Measure) -> str:
    if measure.kind is Kind.BUDGET:
        return f"{format_picos(value)} {measure.currency}"
    return f"{value:,}"
