"""Forms of billing: credit to buy, who one is on bills, where they go."""

from decimal import Decimal
from typing import Any, cast

from django import forms

from kit.money import decimal_from_minor, exponent, minor_from_picos
from kit.number_fields import PlainDecimalField
from metering.billing.models import BillingProfile
from metering.billing.parties import ProfileTerms
from metering.topups.models import TopUpRule

# As the management API has it, in minor units.
_DIGITS_MAX = 15


class AmountField(PlainDecimalField):
    """An amount of a currency, to its minor unit; its value is a whole number of it."""

    like = "Write an amount like 500.00."

    def __init__(self, currency: str, **kwargs: Any) -> None:
        self._places = exponent(currency)
        super().__init__(
            min_value=Decimal(1).scaleb(-self._places),
            max_digits=_DIGITS_MAX,
            decimal_places=self._places,
            widget=forms.TextInput({"inputmode": "decimal", "autocomplete": "off"}),
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """Return the amount in minor units."""
        found = super().clean(value)
        return None if found is None else int(found.scaleb(self._places))


class TopUpForm(forms.Form):
    """How much credit to buy."""

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"] = AmountField(
            currency,
            label=f"Credit to add, {currency}",
            help_text="Before tax. It is yours as soon as it is paid.",
        )


class RuleForm(forms.Form):
    """When credit is bought by itself, how much of it, and how much at most."""

    enabled = forms.BooleanField(
        required=False, initial=True, label="Buy credit by itself"
    )

    fields_of_refusals = {"period_max": "period_max"}

    def __init__(
        self, *args: Any, currency: str, rule: TopUpRule | None, **kwargs: Any
    ) -> None:
        said: dict[str, Any] = {}
        if rule is not None:
            threshold = minor_from_picos(int(rule.threshold_picos), currency)
            said = {
                "enabled": rule.enabled,
                "threshold": decimal_from_minor(threshold, currency),
                "amount": decimal_from_minor(rule.amount_minor, currency),
                "period_max": decimal_from_minor(rule.period_max_minor, currency),
            }
        super().__init__(*args, **{**kwargs, "initial": said})
        self.fields["threshold"] = AmountField(
            currency, label=f"Once less than this is left, {currency}"
        )
        self.fields["amount"] = AmountField(currency, label=f"Buy this, {currency}")
        self.fields["period_max"] = AmountField(
            currency,
            label=f"At most this in a billing period, {currency}",
            help_text="A rule never buys more, whatever is used.",
        )


class AddressForm(forms.Form):
    """An address that bills shall go to."""

    email = forms.EmailField(label="Another e-mail address")


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """Who a tenant is on the invoices that are issued from now on."""

    class Meta:
        model = BillingProfile
        fields = (
            "legal_name",
            "address",
            "country",
            "region",
            "tax_id",
            "po_number",
        )
        labels = {
            "legal_name": "Name on invoices",
            "country": "Country, two letters",
            "tax_id": "Tax id",
            "po_number": "Purchase order",
        }
        widgets = {"address": forms.Textarea({"rows": 4})}

    def __init__(
        self, *args: Any, profile: BillingProfile | None, **kwargs: Any
    ) -> None:
        self._kept = {
            name: getattr(profile, name) for name in self.Meta.fields if profile
        }
        super().__init__(*args, **{**kwargs, "initial": self._kept})

    @property
    def said(self) -> ProfileTerms:
        """Return what was said, for the service: the form writes nothing."""
        return cast("ProfileTerms", dict(self.cleaned_data))
