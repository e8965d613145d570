"""Operators' pages of API keys: issue, narrow, disable, rotate, revoke."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.decorators import action

from kit import api_keys
from kit.admin import Confirmation, confirmed_action, state_label
from kit.admin.editing import KnownChoiceField
from tenants import selectors, services
from tenants.admin import figures
from tenants.admin.credential_forms import KeyForm
from tenants.admin.credential_lists import (
    DisableKeys,
    KeyUpkeepFilter,
    RevokeKeys,
    StateFilter,
    still_used,
)
from tenants.admin.issuing import IssuingAdmin
from tenants.admin.limits_in_effect import ShowsLimits
from tenants.admin.standings import ago
from tenants.models import ApiKey, KeyState, Project

_RIGHTS = ("scopes", "allowed_models", "allowed_networks", "priority")


def _label(project: Any) -> str:
    """Say a project with its tenant: slugs are unique only within one."""
    return f"{project.tenant.slug} / {project.slug}"


class _OpenProjects(AutocompleteJsonView):
    """Finds open projects as they are typed."""

    def get_queryset(self) -> QuerySet[Any]:
        """Leave out archived ones, and read the tenants along."""
        rows: QuerySet[Any] = super().get_queryset()
        return rows.filter(archived_at=None).select_related("tenant")

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        """Show the project with its tenant."""
        return {"id": str(getattr(obj, to_field_name)), "text": _label(obj)}


class _ProjectPicker(AutocompleteSelect):
    """Asks for projects as they are typed: there are too many for a list."""

    def get_url(self) -> str:
        """Return where to ask."""
        return reverse("admin:tenants_apikey_projects")


class _ProjectChoice(KnownChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        """Return `tenant / project`."""
        return _label(obj)


class _StopForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say whether the key is at work."""
        return still_used(selectors.api_key(int(object_id)), now=timezone.now())


@admin.register(ApiKey)
class ApiKeyAdmin(ShowsLimits, IssuingAdmin):
    """API keys."""

    noun = "API key"
    form = KeyForm
    list_display = (
        "name",
        "shown",
        "tenant",
        "project",
        "member",
        "status",
        "last_used",
        "last_model",
        "expires_at",
    )
    # What is shown and the member are searched for; nobody puts them in order.
    sortable_by = ("name", "tenant", "project", "last_used", "expires_at")
    list_filter = (StateFilter, KeyUpkeepFilter)
    list_select_related = ("tenant", "project", "member", "use")
    search_fields = ("name", "shown", "tenant__slug", "project__slug", "member__email")
    search_help_text = (
        "Name, what is shown, tenant, project, member, id, or a whole key"
    )
    empty_says = "A key is issued for a project; its text is shown once."
    fields = ("project", "name", *_RIGHTS, "expires_at")
    bulk_actions = (DisableKeys(), RevokeKeys())
    actions_detail = ("rotate", "disable", "enable", "revoke")
    actions_row = ("revoke",)
    _fixed: ClassVar = (
        "tenant",
        "project",
        "member",
        "shown",
        "created_at",
        "disabled_at",
        "revoked_at",
        "replaces",
        "last_used",
        "last_model",
        "in_force",
    )

    @state_label(
        active="success",
        suspended="warning",
        disabled="warning",
        expired="warning",
        archived="warning",
        revoked="danger",
    )
    def status(self, row: ApiKey) -> str:
        """Show the state as a label."""
        return row.state_at(timezone.now()).value

    @admin.display(description="last used", ordering="use__last_used_at")
    def last_used(self, row: ApiKey) -> str:
        """Show how long ago it was used."""
        return ago(row.last_use.last_used_at if row.last_use else None)

    @admin.display(description="in force on")
    def in_force(self, row: ApiKey) -> str:
        """Show on how many gateways the key's last change is in force."""
        known = figures.source()
        seen = (
            known.key_known_by(digest=row.digest, now=timezone.now()) if known else None
        )
        if seen is None or not seen.of:
            return "not known: no gateway says that it runs"
        opens = row.state_at(timezone.now()) is KeyState.ACTIVE
        said = "opens" if opens else "stopped"
        return f"{said} on {seen.by} of {seen.of} gateways"

    @admin.display(description="last model")
    def last_model(self, row: ApiKey) -> str:
        """Show what it was used for."""
        return row.last_use.model if row.last_use else ""

    def get_urls(self) -> Any:
        """Answer the form's question for projects."""
        view = _OpenProjects.as_view(admin_site=self.admin_site)
        address = path(
            "projects/",
            self.admin_site.admin_view(view),
            name="tenants_apikey_projects",
        )
        return [address, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Read keys with what names them and when they were used."""
        rows: QuerySet[ApiKey] = super().get_queryset(request)
        return rows.select_related("tenant", "project", "member", "use")

    def rows_of_secret(self, secret: str) -> QuerySet[ApiKey]:
        """Return the key that a whole text is."""
        digest = api_keys.digest(secret, settings.API_KEY_SECRET)
        return ApiKey.objects.filter(digest=digest)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new key needs; show all there is of one."""
        if obj is None:
            return self.fields
        return (
            ("tenant", "project", "member"),
            ("name", "shown"),
            *_RIGHTS,
            "created_at",
            "expires_at",
            ("disabled_at", "revoked_at", "replaces"),
            ("last_used", "last_model", "in_force"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave what may change of a key that is not revoked."""
        if obj is None:
            return ()
        changing = ("name", "expires_at", *_RIGHTS) if obj.revoked_at else ()
        return (*self._fixed, *changing)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the open projects, each with its tenant, as they are typed."""
        return _ProjectChoice(
            queryset=Project.objects.filter(archived_at=None).select_related("tenant"),
            widget=_ProjectPicker(db_field, self.admin_site),
        )

    def holder_of(self, row: ApiKey) -> str:
        """Say whose a key is."""
        return _label(row.project)

    def consequence_of(self, row: ApiKey) -> str:
        """Say whether the key is at work."""
        return still_used(row, now=timezone.now())

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> ApiKey:
        """Issue the key and hand its text to the answer of this request."""
        issued = services.issue_key(tenant=values["project"].tenant, **values)
        request.issued_text = issued.key  # type: ignore[attr-defined]
        return issued.row

    def update(self, row: ApiKey, changes: Mapping[str, Any]) -> ApiKey:
        """Rename the key, move its expiry, narrow or widen it."""
        return services.update_key(api_key=row, **changes)

    def rotated(self, row: ApiKey, *, overlap: dt.timedelta) -> tuple[str, ApiKey]:
        """Replace the key."""
        issued = services.rotate_key(api_key=row, now=timezone.now(), overlap=overlap)
        return issued.key, issued.row

    @action(  # type: ignore[untyped-decorator]
        description="Rotate", icon="autorenew", permissions=["change"]
    )
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Replace the key by a new one."""
        return self.rotate_page(request, object_id)

    @confirmed_action(
        label="Disable",
        explanation="The key is refused within a second, until it is enabled.",
        icon="pause",
        is_danger=True,
        form=_StopForm,
    )
    def disable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Disable the key."""
        return self.act(
            request,
            object_id,
            lambda row: services.disable_key(api_key=row, now=timezone.now()),
            done="Disabled.",
        )

    @confirmed_action(
        label="Enable",
        explanation="The key opens the door again at once.",
        icon="play_arrow",
    )
    def enable(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Enable the key."""
        return self.act(
            request,
            object_id,
            lambda row: services.enable_key(api_key=row),
            done="Enabled.",
        )

    @confirmed_action(
        label="Revoke",
        explanation="The key stops opening the door within a second, for good.",
        icon="block",
        is_danger=True,
        form=_StopForm,
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Revoke the key."""
        return self.act(
            request,
            object_id,
            lambda row: services.revoke_key(api_key=row, now=timezone.now()),
            done="Revoked.",
        )
