"""Forms of credentials: lists as boxes to tick, and as lines to write.

Failure: what the services would refuse of one field is said beside that field.
"""

from collections.abc import Collection
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
)

from kit.errors import InvalidRequest
from kit.scopes import DATA_PLANE, EVERY, OPERATORS, Scope
from tenants import catalog
from tenants.credentials import networks_of
from tenants.models import ApiKey, ManagementToken

_NETWORKS_HELP = (
    "One a line, such as 203.0.113.0/24, 2001:db8::/32 or a single address; empty for"
    " everywhere."
)


class NetworksField(forms.Field):
    """Networks, one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Return stored networks as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        """Return what was written in one spelling."""
        try:
            return networks_of(str(value or "").replace(",", " ").split())
        except InvalidRequest as refused:
            raise ValidationError(refused.message) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether other networks are meant, however they are written."""
        try:
            return self.to_python(data) != list(initial or ())
        except ValidationError:
            return True


class BoxesField(forms.MultipleChoiceField):
    """Boxes to tick, kept in the order of the alphabet."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def to_python(self, value: Any) -> list[str]:
        """Return what was ticked."""
        return sorted(super().to_python(value))


def _boxes(names: Collection[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(names)]


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """An API key."""

    scopes = BoxesField(choices=_boxes(DATA_PLANE), initial=sorted(DATA_PLANE))
    allowed_models = BoxesField(
        required=False, help_text="None ticked: every model that its tenant may call."
    )
    allowed_networks = NetworksField(required=False, help_text=_NETWORKS_HELP)

    class Meta:
        model = ApiKey
        fields = (
            "project",
            "name",
            "scopes",
            "allowed_models",
            "allowed_networks",
            "priority",
            "expires_at",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Read-only pages have no fields; a key may name a model that has gone.
        if "allowed_models" in self.fields:
            named = {*catalog.known_models(), *self.instance.allowed_models}
            boxes: Any = self.fields["allowed_models"]
            boxes.choices = _boxes(named)


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A management token: an operator's, or a tenant's."""

    scopes = BoxesField(help_text="No more than you hold.")
    allowed_networks = NetworksField(required=False, help_text=_NETWORKS_HELP)

    class Meta:
        model = ManagementToken
        fields = ("tenant", "name", "scopes", "allowed_networks", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scopes" in self.fields:
            boxes: Any = self.fields["scopes"]
            boxes.choices = _boxes(self._offered())

    def _offered(self) -> Collection[Scope]:
        """Return what can still be ticked: scopes are taken away and never added."""
        if self.instance.pk is None:
            return EVERY
        return [Scope(scope) for scope in self.instance.scopes]

    def clean(self) -> dict[str, Any]:
        """Refuse scopes of the installation for a tenant's token, beside the field."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("tenant") and OPERATORS & set(cleaned.get("scopes", ())):
            self.add_error("scopes", "A tenant's token holds no scope of operators.")
        return cleaned
