"""Forms of top-ups and their rules: money in units of the tenant's currency.

Failure: what is no amount of the currency is refused beside its field.
"""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from kit.errors import InvalidRequest
from kit.money import decimal_from_minor, minor_from_picos, picos_from_minor
from metering.subscriptions.publishing import minor_from_text
from metering.topups.models import TopUp, TopUpRule
from tenants.models import Tenant

# What a form calls an amount, and the tenant's own currency that it is in.
RULE_AMOUNTS = ("threshold", "amount", "period_max")


def _money(help_text: str) -> forms.CharField:
    return forms.CharField(widget=UnfoldAdminTextInputWidget, help_text=help_text)


class _TenantsMoney(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose amounts are read once its tenant is known."""

    amounts: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        """Read each amount as minor units of the tenant's currency."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        tenant = cleaned.get("tenant") or _tenant_of(self.instance)
        for name in self.amounts:
            if tenant is not None and name in cleaned:
                try:
                    text = cleaned[name].strip()
                    cleaned[name] = minor_from_text(text, tenant.currency, name)
                except InvalidRequest as refused:
                    self.add_error(name, refused.message)
        return cleaned


class TopUpForm(_TenantsMoney):
    """Credit that is bought for a tenant by hand."""

    amounts = ("amount",)
    amount = _money("Before tax, in units of the tenant's currency, such as 250.00.")

    class Meta:
        model = TopUp
        fields = ("tenant",)


class RuleForm(_TenantsMoney):
    """When a tenant is topped up by itself."""

    amounts = RULE_AMOUNTS
    threshold = _money("Once less than this is left, in units of the currency.")
    amount = _money("What is bought then, before tax.")
    period_max = _money("No more than this is bought in a billing period.")

    class Meta:
        model = TopUpRule
        fields = ("tenant", "cool_off_s", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        if row.pk:
            currency = row.tenant.currency
            threshold = minor_from_picos(row.threshold_picos, currency)
            shown = {
                "threshold": decimal_from_minor(threshold, currency),
                "amount": decimal_from_minor(row.amount_minor, currency),
                "period_max": decimal_from_minor(row.period_max_minor, currency),
            }
            self.initial.update(shown)


def rule_terms(values: dict[str, Any], tenant: Tenant) -> Any:
    """Return what a form says as the service takes it."""
    return {
        "threshold_picos": picos_from_minor(values["threshold"], tenant.currency),
        "amount_minor": values["amount"],
        "period_max_minor": values["period_max"],
        "cool_off_s": values["cool_off_s"],
        "enabled": values["enabled"],
    }


def _tenant_of(row: Any) -> Tenant | None:
    return row.tenant if row.tenant_id else None
