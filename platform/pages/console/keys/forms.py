"""Forms of API keys: what a new one may do, what may change of one, its own limits."""

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from kit.money import AmountFormatError, picos_from_decimal
from kit.scopes import DATA_PLANE, Scope
from metering.usage.zones import ONE_DAY, date_at, day_start
from pages.design.filters import DayField
from tenants import catalog
from tenants.models import ApiKey, Project, RateLimit, Window

_MEANINGS = {
    Scope.GENERATE: "chat, completions and responses",
    Scope.EMBED: "embeddings and reranking",
    Scope.MODELS: "list the models",
}
_LASTS = (("", "no end"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
_LONGER = (("365", "a year"),)


def _name_field() -> forms.CharField:
    return forms.CharField(
        label="Name",
        max_length=ApiKey._meta.get_field("name").max_length,
        help_text="What it is for: the program, and where it runs.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def _boxes(label: str, **options: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, widget=forms.CheckboxSelectMultiple, **options
    )


def _networks_field() -> forms.CharField:
    return forms.CharField(
        label="Only from these addresses",
        required=False,
        max_length=5000,
        help_text="Networks such as 192.0.2.0/24, one a line. None: from everywhere.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )


class RightsForm(forms.Form):
    """What a key is called and may do; offers what whoever asks may give."""

    name = _name_field()
    scopes = _boxes("It may", error_messages={"required": "Choose at least one."})
    models = _boxes(
        "Of these models alone",
        required=False,
        help_text="None chosen: every model that you may call, coming ones too.",
    )
    networks = _networks_field()

    # Where what the service refuses is said, by the name that it has there.
    fields_of_refusals: ClassVar = {
        "name": "name",
        "scopes": "scopes",
        "allowed_models": "models",
        "allowed_networks": "networks",
        "expires_at": "lasts",
        "project": "project",
        "member": "whose",
    }

    def __init__(
        self,
        *args: Any,
        held: Collection[Scope],
        kept: ApiKey | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        has = set(kept.scopes) if kept else set()
        offered = [each for each in Scope if each in DATA_PLANE]
        self._offer(
            "scopes",
            (
                (each.value, f"{each.value}: {_MEANINGS[each]}")
                for each in offered
                if each in held or each in has
            ),
        )
        names = catalog.known_models(offered=True)
        if kept is not None:
            names |= set(kept.allowed_models)
        self._offer("models", ((name, name) for name in sorted(names)))

    def _offer(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        self.fields[name].choices = list(choices)  # type: ignore[attr-defined]

    def rights(self) -> dict[str, Any]:
        """Return what was chosen, as the services take it."""
        return {
            "scopes": self.cleaned_data["scopes"],
            "allowed_models": self.cleaned_data["models"],
            "allowed_networks": self.cleaned_data["networks"].split(),
        }


class NewKeyForm(RightsForm):
    """A new key: of which project, whose, and for how long."""

    project = forms.ModelChoiceField(
        queryset=Project.objects.none(), label="Project", empty_label=None
    )
    whose = forms.ChoiceField(
        label="Whose it is",
        choices=[
            ("own", "mine: it ends with my membership"),
            ("service", "a service's: it stays when people leave"),
        ],
        initial="own",
    )
    lasts = forms.ChoiceField(
        label="Ends after", choices=[*_LASTS, *_LONGER], required=False, initial="90"
    )

    field_order = ("name", "project", "whose", "lasts", "scopes", "models", "networks")

    def __init__(
        self, *args: Any, projects: Any, may_give_services: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]
        self.fields["project"].label_from_instance = _project_words  # type: ignore[attr-defined]
        self.fields["scopes"].initial = [
            value
            for value, _ in self.fields["scopes"].choices  # type: ignore[attr-defined]
        ]
        if not may_give_services:
            del self.fields["whose"]

    @property
    def is_own(self) -> bool:
        """Tell whether the key is the member's own."""
        return bool(self.cleaned_data.get("whose", "own") == "own")

    def expires_at(self, *, now: dt.datetime) -> dt.datetime | None:
        """Return when the key that was asked for ends; None for never."""
        days = self.cleaned_data["lasts"]
        return now + dt.timedelta(days=int(days)) if days else None


class ChangeKeyForm(RightsForm):
    """What may change of a key; an empty day means that it has no end."""

    ends_on = DayField(
        label="Ends on",
        required=False,
        help_text="At the end of this day on the tenant's clocks. Empty: no end.",
    )

    fields_of_refusals: ClassVar = {
        **RightsForm.fields_of_refusals,
        "expires_at": "ends_on",
    }
    field_order = ("name", "ends_on", "scopes", "models", "networks")

    def __init__(self, *args: Any, kept: ApiKey, **kwargs: Any) -> None:
        self._kept = kept
        kwargs["initial"] = {
            "name": kept.name,
            "ends_on": _last_day(kept),
            "scopes": kept.scopes,
            "models": kept.allowed_models,
            "networks": "\n".join(kept.allowed_networks),
        }
        super().__init__(*args, kept=kept, **kwargs)

    def changes(self) -> dict[str, Any]:
        """Return what was changed, as the service takes it.

        A day that was left alone keeps the instant that it was shown for.
        """
        found = {"name": self.cleaned_data["name"], **self.rights()}
        day = self.cleaned_data["ends_on"]
        if day != _last_day(self._kept):
            found["expires_at"] = day and day_start(
                day + ONE_DAY, self._kept.tenant.zone
            )
        return found


class OwnLimitForm(forms.Form):
    """A limit of the tenant's own on one key; what is set at its place is replaced."""

    what = forms.ChoiceField(label="Limit")
    amount = forms.CharField(
        label="To",
        required=False,
        max_length=40,
        help_text="Empty: the limit ends.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    fields_of_refusals: ClassVar = {"value": "amount", "amount_picos": "amount"}

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["what"].choices = [  # type: ignore[attr-defined]
            (f"budget {Window.MONTH}", f"{currency} a month"),
            (f"budget {Window.DAY}", f"{currency} a day"),
            (f"budget {Window.FOREVER}", f"{currency} in all"),
            (
                f"{RateLimit.Unit.REQUESTS} {RateLimit.Window.MINUTE}",
                "requests a minute",
            ),
            (f"{RateLimit.Unit.TOKENS} {RateLimit.Window.MINUTE}", "tokens a minute"),
            (f"{RateLimit.Unit.CONCURRENT_REQUESTS} ", "requests at a time"),
        ]

    def clean(self) -> dict[str, Any]:
        """Read the amount as what it counts."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        text = str(cleaned.get("amount") or "").strip()
        kind, _, cleaned["window"] = str(cleaned.get("what", "")).partition(" ")
        cleaned["is_budget"], cleaned["unit"] = kind == "budget", kind
        cleaned["number"] = self._number(text, is_money=kind == "budget")
        return cleaned

    def _number(self, text: str, *, is_money: bool) -> int | None:
        if not text:
            return None
        try:
            if is_money:
                return picos_from_decimal(text)
            if text.isascii() and text.isdigit() and len(text) <= 16:
                return int(text)
        except AmountFormatError as error:
            raise ValidationError({"amount": f"{error}."}) from None
        raise ValidationError({"amount": "Give a whole number."})


def _project_words(project: Project) -> str:
    return (
        project.name
        if project.name == project.slug
        else (f"{project.name} ({project.slug})")
    )


def _last_day(kept: ApiKey) -> dt.date | None:
    """Return the last day, on the tenant's clocks, on which a key works at all."""
    if kept.expires_at is None:
        return None
    return date_at(kept.expires_at - dt.timedelta(microseconds=1), kept.tenant.zone)
