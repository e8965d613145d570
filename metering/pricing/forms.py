"""Forms of the price book pages: prices as quotes, and what publication will do.

Failure: a quote that is no price is refused beside its field.
"""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from kit.admin import Confirmation, label_cells
from kit.money import PriceFormatError, picos_per_token, quote_per_million
from metering.pricing import selectors
from metering.pricing.contracts import Agreed
from metering.pricing.models import ContractPrice, Price, PriceBookVersion
from metering.pricing.replaying import said_before
from metering.pricing.services import is_late
from metering.usage.epochs import database_now

QUOTED = {
    "input_per_million": "input_picos",
    "cached_input_per_million": "cached_input_picos",
    "output_per_million": "output_picos",
}


class QuoteField(forms.CharField):
    """A price per million tokens, checked where it is typed."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> str:
        """Return the text; refuse what is no price of at most six decimals."""
        text = str(super().clean(value)).strip()
        if not text and not self.required:
            return text
        try:
            picos_per_token(text)
        except PriceFormatError as error:
            raise forms.ValidationError(f"{error}.") from None
        return text


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A price of a draft, as quotes."""

    input_per_million = QuoteField(label="Input per million")
    cached_input_per_million = QuoteField(
        label="Cached input per million",
        required=False,
        help_text="Left empty, it follows from the version's discount.",
    )
    output_per_million = QuoteField(label="Output per million")

    class Meta:
        model = Price
        fields = ("model",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        label_cells(self)
        if self.instance.pk:
            for quote, picos in QUOTED.items():
                self.initial[quote] = quote_per_million(getattr(self.instance, picos))
            if self.instance.cached_follows:
                # So that it keeps following when another price is changed.
                self.initial["cached_input_per_million"] = ""

    def quotes(self) -> dict[str, Any]:
        """Return what was typed, as the service takes it: None where it follows."""
        return {quote: self.cleaned_data[quote] or None for quote in QUOTED}


class AgreedForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a contract says of one model: three quotes, or a percentage."""

    input_per_million = QuoteField(label="Input per million", required=False)
    cached_input_per_million = QuoteField(
        label="Cached input per million", required=False
    )
    output_per_million = QuoteField(label="Output per million", required=False)

    class Meta:
        model = ContractPrice
        fields = ("model", "discount_percent")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        label_cells(self)
        self.fields["discount_percent"].required = False
        for quote, picos in QUOTED.items():
            if self.instance.pk and getattr(self.instance, picos) is not None:
                self.initial[quote] = quote_per_million(getattr(self.instance, picos))

    def agreed(self) -> Agreed:
        """Return what was typed, as the service takes it."""
        quotes = {quote: self.cleaned_data[quote] or None for quote in QUOTED}
        return Agreed(
            model=self.cleaned_data["model"],
            discount_percent=self.cleaned_data["discount_percent"],
            **quotes,
        )


class PublishForm(Confirmation):
    """Says what publication begins and what it closes."""

    drop = forms.BooleanField(
        required=False,
        label="Close the models that are left out",
        widget=UnfoldBooleanWidget,
    )
    typed = forms.CharField(
        label="Type the version's name to publish it",
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = PriceBookVersion.objects.select_related("book")
        row = rows.filter(pk=self.object_id).first()
        self.phrase = str(row) if row else ""
        self.fields["typed"].help_text = f"{self.phrase}"

    def clean_typed(self) -> str:
        """Hold what was typed against the name."""
        typed = str(self.cleaned_data["typed"]).strip()
        if typed.casefold() != self.phrase.casefold():
            raise forms.ValidationError(f"Type “{self.phrase}”. Nothing was done.")
        return typed

    def consequence(self, object_id: str) -> str:
        """Count the prices, and name the models that would have none any more."""
        version = PriceBookVersion.objects.get(pk=object_id)
        closed = ", ".join(left_out(version)) or "none"
        begins = f"{version.effective_at:%Y-%m-%d %H:%M} UTC"
        if is_late(version, now=database_now()):
            begins = f"now, {begins} being over,"
        return (
            f"Prices: {version.prices.count()}, from {begins} on. Models left out:"
            f" {closed}. {said_before(version)}"
        )


def left_out(version: PriceBookVersion) -> list[str]:
    """Return the models that the version before lists and this one does not."""
    before = selectors.last_published(book=version.book)
    if before is None:
        return []
    listed = {price.model for price in selectors.prices(version=version)}
    return [
        price.model
        for price in selectors.prices(version=before)
        if price.model not in listed
    ]
