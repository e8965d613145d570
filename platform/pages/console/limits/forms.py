"""Forms of a tenant's own limits, which can only lower what it may use."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from kit.money import AmountFormatError, picos_from_decimal, ungrouped
from kit.number_fields import WholeField
from tenants import catalog
from tenants.limits.resolution import Kind
from tenants.models import Budget, Quota, RateLimit

MODELS: Mapping[Kind, Any] = {
    Kind.RATE_LIMIT: RateLimit,
    Kind.QUOTA: Quota,
    Kind.BUDGET: Budget,
}
_WINDOWS = (("day", "a day"), ("month", "a month"), ("forever", "in all"))
_RATE_WINDOWS = (
    ("second", "a second"),
    ("minute", "a minute"),
    ("hour", "an hour"),
    ("day", "a day"),
    ("", "at a time (concurrent requests)"),
)
_SHARES = re.compile(r"\s*([0-9]{1,3})\s*%?\s*")


class _Shares(forms.CharField):
    """Percents such as `50, 80, 95`; its value is their list."""

    def clean(self, value: Any) -> Any:
        """Return the percents."""
        text = super().clean(value)
        found = []
        for part in filter(str.strip, text.split(",")):
            read = _SHARES.fullmatch(part)
            if read is None or not 1 <= int(read[1]) <= 100:
                raise forms.ValidationError("Write percents like 50, 80, 95.")
            found.append(int(read[1]))
        return found


class _Amount(forms.CharField):
    """An exact amount of money; its value is picos."""

    def clean(self, value: Any) -> Any:
        """Return picos."""
        try:
            return picos_from_decimal(ungrouped(super().clean(value)))
        except AmountFormatError:
            raise forms.ValidationError("Write an amount like 500.00.") from None


class LimitForm(forms.Form):
    """What a limit says; a new one also says whom it is for and what it counts."""

    fields_of_refusals: ClassVar = {
        "value": "value",
        "amount_picos": "amount_picos",
        "window": "window",
        "unit": "unit",
        "warn_at": "warn_at",
        "project": "whom",
        "key": "whom",
        "model": "model",
    }

    def __init__(
        self,
        *args: Any,
        kind: Kind,
        currency: str,
        whom: Sequence[tuple[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if whom is not None:
            self._says_what(kind, whom)
        if kind is Kind.BUDGET:
            self.fields["amount_picos"] = _Amount(
                label=f"Amount, {currency}", max_length=30
            )
        else:
            self.fields["value"] = WholeField(
                label="Tokens" if kind is Kind.QUOTA else "How many",
                min_value=0,
                max_value=2**53 - 1,
            )
        self.fields["is_hard"] = forms.TypedChoiceField(
            label="When it is used up",
            coerce=lambda value: value == "stop",
            choices=(("stop", "stop: calls are refused"), ("warn", "only warn")),
            initial="stop",
        )
        if kind is not Kind.RATE_LIMIT:
            self.fields["warn_at"] = _Shares(
                label="Warn at, %",
                required=False,
                initial="50, 80",
                max_length=60,
                help_text="Owners, admins and billing are told once at each, by mail"
                " and webhook.",
            )

    def _says_what(self, kind: Kind, whom: Sequence[tuple[str, str]]) -> None:
        self.fields["whom"] = forms.ChoiceField(label="For", choices=whom)
        # Of those there are: one that is mistyped would hold nothing back.
        names = sorted(catalog.known_models(offered=True))
        self.fields["model"] = forms.ChoiceField(
            label="Model",
            required=False,
            choices=[("", "every model"), *((name, name) for name in names)],
        )
        if kind is not Kind.BUDGET:
            units = MODELS[kind]._meta.get_field("unit").choices
            self.fields["unit"] = forms.ChoiceField(
                label="Counts",
                choices=[(value, str(word).lower()) for value, word in units or ()],
            )
        windows = _RATE_WINDOWS if kind is Kind.RATE_LIMIT else _WINDOWS
        self.fields["window"] = forms.ChoiceField(
            label="Per", choices=windows, required=kind is not Kind.RATE_LIMIT
        )

    def terms(self) -> dict[str, Any]:
        """Return what the service is asked to set."""
        return {
            name: value for name, value in self.cleaned_data.items() if name != "whom"
        }
