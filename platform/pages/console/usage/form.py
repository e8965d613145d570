"""Read the address of the usage page, and refuse what makes no sense.

Bounds of the reader's own are times on the tenant's clocks, the later one exclusive;
two midnights are whole billing days. Without any range it is the running period.

Failure: a value that makes no sense leaves the form with an error beside its field, or
above it where a link sets it, and nothing is shown in its place.
"""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict

from kit.errors import NotFound
from kit.number_fields import WholeField
from metering.usage.periods import period_of, running_period
from metering.usage.selectors import billing_day
from pages.console.usage.choice import (
    LOCAL,
    ONE_DAY,
    ONE_HOUR,
    ONE_MINUTE,
    Bucket,
    By,
    Choice,
    Only,
    Range,
    Show,
    Span,
    local,
)
from pages.design.filters import EARLIEST, LATEST, FilterForm, LinkField
from tenants.models import Tenant

_FORMATS = (LOCAL, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


class _LocalField(forms.DateTimeField):
    """A time on the tenant's clocks, or a date: its first instant."""

    widget = forms.DateTimeInput({"type": "datetime-local"}, format=LOCAL)

    def __init__(self, label: str) -> None:
        super().__init__(
            label=label,
            required=False,
            input_formats=_FORMATS,
            error_messages={"invalid": "Write a time like 2026-11-01T00:00."},
        )

    def to_python(self, value: Any) -> dt.datetime | None:
        """Return the time without a zone: which one is the tenant's matter."""
        if value in self.empty_values:
            return None
        for form in _FORMATS:
            try:
                found = dt.datetime.strptime(str(value).strip(), form)  # noqa: DTZ007
            except ValueError:
                continue
            if EARLIEST <= found.date() <= LATEST:
                return found
        raise forms.ValidationError(self.error_messages["invalid"], code="invalid")


class UsageForm(FilterForm):
    """The range above the page, and what the links beside it chose."""

    names_in_address = {"first": "from", "last": "until", "span": "range"}

    first = _LocalField("From")
    last = _LocalField("Until")
    span = LinkField("range", [each.value for each in Span])
    by = LinkField("by", [each.value for each in By])
    then = LinkField("then", [each.value for each in By])
    show = LinkField("show", [each.value for each in Show])
    bucket = LinkField("bucket", [each.value for each in Bucket])
    model = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    project = WholeField(
        required=False, min_value=1, max_value=2**53, widget=forms.HiddenInput
    )
    key = WholeField(
        required=False, min_value=1, max_value=2**53, widget=forms.HiddenInput
    )
    member = WholeField(
        required=False, min_value=1, max_value=2**53, widget=forms.HiddenInput
    )

    def __init__(self, asked: QueryDict, *, tenant: Tenant, now: dt.datetime) -> None:
        super().__init__(asked)
        self._tenant, self._now = tenant, now
        self._range: Range | None = None

    def clean(self) -> None:
        """Find the range and hold against it what was chosen."""
        if self.errors:
            return
        values = self.cleaned_data
        if values["then"] and values["then"] == (values["by"] or By.MODEL):
            self.add_error("then", "'then' divides by the same as 'by': leave it out.")
        if values["first"] or values["last"]:
            found = self._own(values["first"], values["last"])
        else:
            found = self._moving(Span(values["span"] or Span.PERIOD))
        if found is None:
            return
        if values["bucket"] and values["bucket"] not in found.buckets():
            could = ", ".join(found.buckets()) or "none"
            self.add_error(
                "bucket",
                f"Columns of this range cannot be {values['bucket']}s; could be:"
                f" {could}.",
            )
        self._range = found

    def choice(self) -> Choice:
        """Return what was chosen; only a valid form has it."""
        values = self.cleaned_data
        if self._range is None:
            raise ValueError("a form with errors has no choice")
        bucket = values["bucket"]
        return Choice(
            tenant=self._tenant,
            range=self._range,
            by=By(values["by"] or By.MODEL),
            then=By(values["then"]) if values["then"] else None,
            show=Show(values["show"] or Show.SPEND),
            bucket=Bucket(bucket) if bucket else self._range.usual_bucket(),
            only=Only(
                values["model"], values["project"], values["key"], values["member"]
            ),
        )

    def filled(self) -> None:
        """Show the range that was found in its fields, whatever set it.

        Sent like that it is the reader's own, with columns of its own.
        """
        if self._range is None:
            raise ValueError("a form with errors has no range")
        found = self._range
        self.data = {
            **{k: v for k, v in self.data.items() if k not in ("range", "bucket")},
            "from": local(found.start, found.zone),
            "until": local(found.end, found.zone),
        }

    def _own(self, first: dt.datetime | None, last: dt.datetime | None) -> Range | None:
        zone = ZoneInfo(self._tenant.zone)
        if first is None or last is None:
            missing = "first" if first is None else "last"
            self.add_error(missing, "Give both ends of the range.")
            return None
        if last <= first:
            self.add_error("last", "The range ends before it begins.")
            return None
        if first.time() == last.time() == dt.time():
            return Range(first.date(), last.date(), self._tenant.zone)
        return Range(
            first.replace(tzinfo=zone).astimezone(dt.UTC),
            last.replace(tzinfo=zone).astimezone(dt.UTC),
            self._tenant.zone,
        )

    def _moving(self, span: Span) -> Range | None:
        zone, now = self._tenant.zone, self._now.astimezone(dt.UTC)
        if span is Span.HOUR:
            end = now.replace(second=0, microsecond=0) + ONE_MINUTE
            return Range(end - ONE_HOUR, end, zone, span)
        if span is Span.DAY:
            end = now.replace(minute=0, second=0, microsecond=0) + ONE_HOUR
            return Range(end - 24 * ONE_HOUR, end, zone, span)
        try:
            return self._days(span)
        except NotFound:
            self.add_error("span", "The tenant was not there then: choose a later one.")
            return None

    def _days(self, span: Span) -> Range:
        tenant = self._tenant
        if span in {Span.WEEK, Span.MONTH}:
            today = billing_day(tenant=tenant, at=self._now).date
            days = 7 if span is Span.WEEK else 30
            return Range(
                today - (days - 1) * ONE_DAY, today + ONE_DAY, tenant.zone, span
            )
        period = running_period(tenant_id=tenant.pk, at=self._now)
        if span is Span.LAST_PERIOD:
            period = period_of(tenant_id=tenant.pk, date=period.first_date - ONE_DAY)
        return Range(period.first_date, period.end_date, tenant.zone, span)
