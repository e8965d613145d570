"""Forms of limits: whom one is for, what it says, and money in units of its currency.

Failure: what makes no sense is said beside the form; what only the service can know is
said by it.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from kit.errors import InvalidRequest
from kit.money import AmountFormatError, decimal_from_picos, picos_from_decimal
from tenants.models import Budget
from tenants.services import Holder

HOLDERS = ("plan", "tenant", "project", "api_key")


class AmountField(forms.CharField):
    """Money in units of its currency, taken as whole picos."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> int:
        """Return picos; refuse what is no amount."""
        try:
            return picos_from_decimal(str(super().clean(value)).strip())
        except AmountFormatError as error:
            raise ValidationError(f"{error}.") from None


class LimitForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new limit, or what may change of one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "warn_at" in self.fields:
            self.fields["warn_at"].widget = UnfoldAdminTextInputWidget()
            self.fields["warn_at"].help_text = "Percents, ascending: 50, 80, 95."

    def clean(self) -> dict[str, Any]:
        """Find the one holder of a new limit."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk is None:
            given = {name: cleaned.pop(name, None) for name in HOLDERS}
            level = cleaned.pop("level", None) if given["plan"] else None
            cleaned.pop("level", None)
            try:
                cleaned["holder"] = Holder.of(level=level, **given)
            except InvalidRequest as refused:
                raise ValidationError(refused.message) from None
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """Leave the place to the service, which says what to do where it is taken."""
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions | {*HOLDERS}


class BudgetForm(LimitForm):
    """A budget, its amount as people write it."""

    amount = AmountField(help_text="In units of the currency, such as 250.00.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "amount" in self.fields and self.instance.pk:
            self.initial["amount"] = decimal_from_picos(self.instance.amount_picos)
        if "currency" in self.fields:
            self.fields["currency"].required = False
            self.fields["currency"].help_text = "Of a plan's budget."

    class Meta:
        model = Budget
        fields = ("amount",)
