"""Forms of members: a place to offer, a role and projects to change."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms

from kit.acting import current
from kit.scopes import beyond
from tenants.models import Project, Role
from tenants.roles import MEANINGS, scopes_of


def roles_to_give(*, is_owner: bool) -> list[tuple[str, str]]:
    """Return the roles that whoever acts may give, with what each may do."""
    held = current().scopes
    return [
        (role.value, f"{role.label}: {MEANINGS[role].removeprefix('You may ')}")
        for role in Role
        if not beyond(scopes_of(role), held) and (is_owner or role is not Role.OWNER)
    ]


class PlaceForm(forms.Form):
    """A role, and the projects that a developer is in."""

    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)
    projects = forms.MultipleChoiceField(
        label="Projects",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Of developers alone: every other role reaches all of them.",
    )

    fields_of_refusals: ClassVar = {
        "email": "email",
        "role": "role",
        "projects": "projects",
    }

    def __init__(
        self,
        *args: Any,
        is_owner: bool,
        projects: Iterable[Project],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = roles_to_give(is_owner=is_owner)  # type: ignore[attr-defined]
        choices = [(str(each.pk), each.name) for each in projects]
        self.fields["projects"].choices = choices  # type: ignore[attr-defined]
        if not choices:
            del self.fields["projects"]

    @property
    def project_ids(self) -> list[int]:
        """Return the projects that were chosen."""
        return [int(each) for each in self.cleaned_data.get("projects", ())]


class InviteForm(PlaceForm):
    """A place to offer to an address."""

    email = forms.CharField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    field_order = ("email", "role", "projects")
