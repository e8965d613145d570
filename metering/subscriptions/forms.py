"""Forms of plan versions and subscriptions, as people write amounts and dates.

Components and discounts are written as the management API takes them. Failure: what is
no such thing is refused beside its field; what only the service can know is said by it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from kit.admin import Confirmation
from kit.errors import InvalidRequest
from kit.money import format_minor
from metering.subscriptions import migrating, selectors
from metering.subscriptions.api import serializers as wire
from metering.subscriptions.api.wanted import component_wanted, discount_wanted
from metering.subscriptions.models import PlanVersion, Subscription
from metering.subscriptions.publishing import minor_from_text

_AMOUNTS = {"fee": "fee_minor", "minimum_commitment": "minimum_commitment_minor"}
# The latest, as many as can be chosen from in a dialog.
_OFFERED_MAX = 200
_ID_DIGITS_MAX = 18


class _ListField(forms.JSONField):
    """A list as the management API takes it."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Show it with a line for each thing that it says."""
        if isinstance(value, str):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


class VersionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A draft of a plan version."""

    fee = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        initial="0",
        help_text="Of each whole period, in units of the currency, such as 49.00.",
    )
    minimum_commitment = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        initial="0",
        help_text="What a whole period comes to at least, before tax and credit.",
    )
    components = _ListField(
        required=False,
        initial=list,
        help_text="What is charged by the period, as the API takes it: a list of"
        " {name, meter, models, token_classes, component}. See the guide of plans.",
    )
    discounts = _ListField(
        required=False,
        initial=list,
        help_text="In the order in which they are taken: a list of {name, scope,"
        " models, percent or amount}.",
    )

    class Meta:
        model = PlanVersion
        fields = ("plan", "currency", "name", "fee_in_advance")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        if row.pk:
            shown = wire.PlanVersionOutput(row).data
            for name in ("fee", "minimum_commitment", "components", "discounts"):
                self.initial[name] = shown[name]
        if "name" in self.fields:
            self.fields["name"].required = False
            self.fields["name"].help_text = "What invoices call it; else the plan's."

    def clean(self) -> dict[str, Any]:
        """Read amounts and the two lists as the services take them."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        currency = cleaned.get("currency") or self.instance.currency
        for name, column in _AMOUNTS.items():
            if name in cleaned:
                cleaned[column] = self._amount(name, currency)
        components = self._list("components", wire.PlanComponentsInput)
        discounts = self._list("discounts", wire.PlanDiscountsInput)
        if not self.errors:
            cleaned["components"] = [component_wanted(each) for each in components]
            cleaned["discounts"] = [
                self._discount(each, currency) for each in discounts
            ]
        return cleaned

    def _amount(self, name: str, currency: str) -> int:
        try:
            return minor_from_text(self.cleaned_data[name].strip(), currency, name)
        except InvalidRequest as refused:
            self.add_error(name, refused.message)
            return 0

    def _discount(self, wanted: dict[str, Any], currency: str) -> Any:
        try:
            return discount_wanted(wanted, currency, "discounts")
        except InvalidRequest as refused:
            self.add_error("discounts", refused.message)
            return None

    def _list(self, name: str, reader: type[Any]) -> Sequence[dict[str, Any]]:
        """Read a list as the API does; what is wrong is said by its place."""
        if name in self.errors:
            return ()
        read = reader(data={name: self.cleaned_data.get(name) or []})
        if read.is_valid():
            found: list[dict[str, Any]] = read.validated_data[name]
            return found
        self.add_error(name, list(_faults(read.errors[name])) or "Give a list.")
        return ()


class MigrateForm(Confirmation):
    """Which version the holders of another go over to."""

    target = forms.ModelChoiceField(
        queryset=PlanVersion.objects.none(), widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["target"].queryset = _others(self.object_id)

    def consequence(self, object_id: str) -> str:
        """Count who goes over, and say when."""
        count = migrating.holders(selectors.plan_version(int(object_id))).count()
        return (
            f"Tenants that go over with their next period: {count:,}. Whoever has"
            " agreed an end is left alone."
        )


class PublishForm(Confirmation):
    """What publication means."""

    def consequence(self, object_id: str) -> str:
        """Say what is charged, and that nobody is moved."""
        row = selectors.plan_version(int(object_id))
        fee = format_minor(row.fee_minor, row.currency)
        least = format_minor(row.minimum_commitment_minor, row.currency)
        held = migrating.holders_of_plan(row.plan_id).count()
        return (
            f"{fee} a period, at least {least}; components: {row.components.count()},"
            f" discounts: {row.discounts.count()}. It moves nobody: tenants on other"
            f" versions of the plan: {held:,}."
        )


class ChangeForm(Confirmation):
    """Which version a tenant goes over to, and when."""

    version = forms.ModelChoiceField(
        queryset=PlanVersion.objects.none(), widget=UnfoldAdminSelectWidget
    )
    starts_on = forms.DateField(
        required=False,
        widget=UnfoldAdminSingleDateWidget,
        help_text="The first day of the other version; left empty, with the next"
        " period.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = Subscription.objects.filter(pk=_id(self.object_id)).first()
        others = _others(held.version_id if held else 0)
        self.fields["version"].queryset = others

    def consequence(self, object_id: str) -> str:
        """Say what is held now."""
        row = selectors.subscription(int(object_id))
        return (
            f"'{row.tenant}' holds {row.version} since {row.starts_on}. Each version is"
            " charged by its days of the period."
        )


class EndForm(Confirmation):
    """When a subscription ends."""

    ends_on = forms.DateField(
        required=False,
        widget=UnfoldAdminSingleDateWidget,
        help_text="The first day without it; left empty, with the running period.",
    )

    def consequence(self, object_id: str) -> str:
        """Say what is no more charged."""
        row = selectors.subscription(int(object_id))
        fee = format_minor(row.version.fee_minor, row.version.currency)
        least = format_minor(row.version.minimum_commitment_minor, row.version.currency)
        return (
            f"'{row.tenant}' pays {fee} a period, at least {least}, until then. An end"
            " can be moved earlier, not later."
        )


def _others(version_id: Any) -> QuerySet[PlanVersion]:
    """Return the published versions in the currency of one, without itself."""
    row = PlanVersion.objects.filter(pk=_id(version_id)).first()
    if row is None:
        return PlanVersion.objects.none()
    others = PlanVersion.objects.filter(
        published_at__isnull=False, currency=row.currency
    )
    offered = others.exclude(pk=row.pk).order_by("-pk").values("pk")[:_OFFERED_MAX]
    # Within: a choice is looked up among them, which a slice would not allow.
    return PlanVersion.objects.filter(pk__in=offered).order_by("name", "-number")


def _id(text: Any) -> int:
    said = str(text)
    is_id = said.isascii() and said.isdecimal() and len(said) <= _ID_DIGITS_MAX
    return int(said) if is_id else 0


def _faults(found: Any, place: str = "") -> Iterator[str]:
    """Yield what is wrong of a body, each with its place."""
    if isinstance(found, Mapping):
        for name, inner in found.items():
            shown = name + 1 if isinstance(name, int) else name
            yield from _faults(inner, f"{place} {shown}".strip())
    elif isinstance(found, list) and any(not isinstance(each, str) for each in found):
        for number, inner in enumerate(found, 1):
            yield from _faults(inner, f"{place} {number}".strip())
    elif isinstance(found, list):
        yield from (f"{place}: {each}" if place else str(each) for each in found)
