"""Forms that say what they would change before they change it.

The first save changes nothing: it says what would come of it, and seals that into the
form. The second is a decision, and holds only for what was said: if anything is
otherwise by then, it is said anew. Failure: what the service would refuse is refused
here, beside its field where it names one.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.core import signing
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from kit.contracts import TokenCounts
from kit.errors import PlatformError
from kit.money import format_picos
from kit.number_fields import WholeField
from metering.adjustments.adjusting import TOKENS_MAX, Wanted, preview_adjustment
from metering.adjustments.models import Adjustment, Rerating
from metering.adjustments.previewing import Scope, TenantEffect, preview_rerating
from metering.adjustments.selectors import made_at, request_of
from metering.pricing.corrective import Quote
from metering.pricing.forms import QuoteField
from metering.usage.selectors import database_now
from tenants.selectors import tenant

_SALT = "metering.adjustments"
_TENANTS_SHOWN_MAX = 20
_AGAIN = "Nothing is changed yet: save again to do this."
_PREVIEW = "preview"


class PreviewedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose first save says what the second would do."""

    previewed = forms.CharField(widget=forms.HiddenInput, required=False, label="")
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Tenants see it.",
    )

    def preview(self) -> Sequence[str]:
        """Say what would come of it, a line each."""
        raise NotImplementedError

    def clean(self) -> Any:
        """Refuse what was not previewed as it would be now."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        try:
            said = list(self.preview())
        except PlatformError as refused:
            param = refused.param if refused.param in self.fields else None
            self.add_error(param, refused.message)
            return cleaned
        if self._previewed() != said:
            self._seal(said)
            raise ValidationError(
                [ValidationError(line, code=_PREVIEW) for line in (*said, _AGAIN)]
            )
        return cleaned

    def take_preview(self) -> Sequence[str]:
        """Return what was said of it, and leave it as no error: nothing is wrong."""
        if not self.is_bound or not self.has_error(NON_FIELD_ERRORS, _PREVIEW):
            return ()
        return [str(line) for line in self.errors.pop(NON_FIELD_ERRORS)]

    def _previewed(self) -> Any:
        try:
            return signing.loads(self.data.get("previewed", ""), salt=_SALT)
        except signing.BadSignature:
            return None

    def _seal(self, said: list[str]) -> None:
        data: Any = QueryDict(mutable=True)
        data.update(self.data)
        data["previewed"] = signing.dumps(said, salt=_SALT, compress=True)
        self.data = data


def _tokens(label: str) -> WholeField:
    return WholeField(
        label=label,
        min_value=0,
        max_value=TOKENS_MAX,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class AdjustmentForm(PreviewedForm):
    """A request by its id, and what shall stand of it."""

    request_id = forms.UUIDField(
        label="Request id",
        widget=UnfoldAdminTextInputWidget,
        help_text="The header x-request-id of the answer.",
    )
    kind = forms.ChoiceField(
        choices=[("void", "void: nothing of it stands"), ("correct", "correct")],
        widget=UnfoldAdminSelectWidget,
    )
    input_tokens = _tokens("Input tokens that are right")
    cached_input_tokens = _tokens("Cached input tokens")
    output_tokens = _tokens("Output tokens")
    reasoning_tokens = _tokens("Reasoning tokens, of the output")

    class Meta:
        model = Adjustment
        fields = ("reference",)

    def preview(self) -> Sequence[str]:
        """Say whose request it is, what stands of it, and what would."""
        wanted = wanted_of(self.cleaned_data)
        effect = preview_adjustment(wanted)
        owner = tenant(wanted.request.tenant_id)
        at = made_at(wanted.request)
        before = _standing(effect.before, effect.charge_before_picos, effect.currency)
        after = _standing(effect.after, effect.charge_after_picos, effect.currency)
        difference = format_picos(effect.difference_picos)
        return (
            f"A request of tenant {owner.slug} at {at:%Y-%m-%d %H:%M:%S} UTC.",
            f"Stands: {before}.",
            f"Would stand: {after}.",
            f"Difference: {difference} {effect.currency}.",
        )


class ReratingForm(PreviewedForm):
    """Whose use of which model, and what it should have cost."""

    input_per_million = QuoteField(label="Input per million")
    cached_input_per_million = QuoteField(label="Cached input per million")
    output_per_million = QuoteField(label="Output per million")

    class Meta:
        model = Rerating
        fields = ("book", "model", "tenant", "starts_at", "ends_at", "reference")

    def preview(self) -> Sequence[str]:
        """Say who is affected, and by how much."""
        scope = scope_of(self.cleaned_data)
        effects = preview_rerating(
            scope=scope, quote=quote_of(self.cleaned_data), now=database_now()
        )
        currency = scope.book.currency
        requests = sum(each.requests for each in effects)
        difference = sum(each.difference_picos for each in effects)
        invoiced = sum(each.invoiced_difference_picos for each in effects)
        shown = [_affected(each, currency) for each in effects[:_TENANTS_SHOWN_MAX]]
        more = len(effects) - len(shown)
        return (
            f"{requests:,} requests of {len(effects):,} tenants, difference "
            f"{format_picos(difference)} {currency}; of closed periods "
            f"{format_picos(invoiced)}, which comes with the next invoices.",
            *shown,
            *([f"And {more:,} more tenants."] if more else []),
        )


def wanted_of(values: dict[str, Any]) -> Wanted:
    """Return what a form wants of a request; raises `NotFound` without one."""
    request_id: UUID = values["request_id"]
    request = request_of(request_id)
    if values["kind"] == Adjustment.Kind.VOID:
        return Wanted(request)
    counts = TokenCounts(
        input_tokens=values["input_tokens"] or 0,
        cached_input_tokens=values["cached_input_tokens"] or 0,
        output_tokens=values["output_tokens"] or 0,
        reasoning_tokens=values["reasoning_tokens"] or 0,
    )
    return Wanted(request, counts)


def scope_of(values: dict[str, Any]) -> Scope:
    """Return what a form wants rated anew."""
    return Scope(
        book=values["book"],
        model=values["model"],
        start=values["starts_at"],
        end=values["ends_at"],
        tenant=values["tenant"],
    )


def quote_of(values: dict[str, Any]) -> Quote:
    """Return the corrected price of a form."""
    return Quote(
        input_per_million=values["input_per_million"],
        cached_input_per_million=values["cached_input_per_million"],
        output_per_million=values["output_per_million"],
    )


def _standing(counts: TokenCounts, picos: int, currency: str) -> str:
    return (
        f"{counts.input_tokens:,} input, {counts.cached_input_tokens:,} cached, "
        f"{counts.output_tokens:,} output tokens for {format_picos(picos)} {currency}"
    )


def _affected(each: TenantEffect, currency: str) -> str:
    return (
        f"{each.tenant}: {each.requests:,} requests, "
        f"{format_picos(each.charge_before_picos)} to "
        f"{format_picos(each.charge_after_picos)} {currency}"
    )
