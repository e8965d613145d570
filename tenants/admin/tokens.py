"""Operators' pages of management tokens: issue, narrow, rotate, revoke.

A member's own token is issued by that member, not here.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action

from kit import api_keys
from kit.admin import Confirmation, confirmed_action, state_label
from tenants import selectors, services
from tenants.admin.credential_forms import TokenForm
from tenants.admin.credential_lists import TokenUpkeepFilter
from tenants.admin.issuing import IssuingAdmin
from tenants.admin.standings import ago
from tenants.models import ManagementToken


def _still_used(row: ManagementToken) -> str:
    if row.last_used_at is None:
        return "It was never used."
    return f"Last used {row.last_used_at:%Y-%m-%d %H:%M} UTC."


class _RevokeForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say when the token was last used."""
        return _still_used(selectors.token(int(object_id)))


@admin.register(ManagementToken)
class ManagementTokenAdmin(IssuingAdmin):
    """Management tokens."""

    noun = "management token"
    form = TokenForm
    list_display = (
        "name",
        "shown",
        "kind",
        "tenant",
        "member",
        "status",
        "last_used",
        "expires_at",
    )
    list_filter = (
        ("tenant", admin.EmptyFieldListFilter),
        ("member", admin.EmptyFieldListFilter),
        TokenUpkeepFilter,
        ("revoked_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("tenant", "member")
    search_fields = ("name", "shown", "tenant__slug", "member__email")
    search_help_text = "Name, what is shown, tenant, member, id, or a whole token"
    empty_says = "Programs call the management API with a token; it is shown once."
    autocomplete_fields = ("tenant",)
    fields = ("tenant", "name", "scopes", "allowed_networks", "expires_at")
    actions_detail = ("rotate", "revoke")
    actions_row = ("revoke",)
    _fixed = (
        "tenant",
        "member",
        "kind",
        "shown",
        "created_at",
        "revoked_at",
        "replaces",
        "last_used_at",
    )

    @state_label(active="success", expired="warning", revoked="danger")
    def status(self, row: ManagementToken) -> str:
        """Show the state as a label."""
        return row.state_at(timezone.now()).value

    @admin.display(description="last used", ordering="last_used_at")
    def last_used(self, row: ManagementToken) -> str:
        """Show how long ago it was used."""
        return ago(row.last_used_at)

    def rows_of_secret(self, secret: str) -> QuerySet[ManagementToken]:
        """Return the token that a whole text is."""
        digest = api_keys.digest(secret, settings.MANAGEMENT_TOKEN_SECRET)
        return ManagementToken.objects.filter(digest=digest)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new token needs; show all there is of one."""
        if obj is None:
            return self.fields
        return (
            ("tenant", "member", "kind"),
            ("name", "shown"),
            "scopes",
            "allowed_networks",
            "created_at",
            "expires_at",
            ("revoked_at", "replaces", "last_used_at"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave what may change of a token that is not revoked."""
        if obj is None:
            return ()
        changing = ("name", "scopes", "allowed_networks", "expires_at")
        return (*self._fixed, *(changing if obj.revoked_at else ()))

    def holder_of(self, row: ManagementToken) -> str:
        """Say whose a token is."""
        return str(row.member or row.tenant or "an operator")

    def consequence_of(self, row: ManagementToken) -> str:
        """Say when the token was last used."""
        return _still_used(row)

    def create(
        self, values: Mapping[str, Any], request: HttpRequest
    ) -> ManagementToken:
        """Issue the token and hand its text to the answer of this request."""
        issued = services.issue_token(now=timezone.now(), **values)
        request.issued_text = issued.token  # type: ignore[attr-defined]
        return issued.row

    def update(
        self, row: ManagementToken, changes: Mapping[str, Any]
    ) -> ManagementToken:
        """Rename the token, move its expiry or networks, take scopes away."""
        return services.update_token(token=row, now=timezone.now(), **changes)

    def rotated(
        self, row: ManagementToken, *, overlap: dt.timedelta
    ) -> tuple[str, ManagementToken]:
        """Replace the token."""
        issued = services.rotate_token(token=row, now=timezone.now(), overlap=overlap)
        return issued.token, issued.row

    @action(  # type: ignore[untyped-decorator]
        description="Rotate", icon="autorenew", permissions=["change"]
    )
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Replace the token by a new one."""
        return self.rotate_page(request, object_id)

    @confirmed_action(
        label="Revoke",
        explanation="The next request with this token is refused, for good.",
        icon="block",
        is_danger=True,
        form=_RevokeForm,
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Revoke the token."""
        return self.act(
            request,
            object_id,
            lambda row: services.revoke_token(token=row, now=timezone.now()),
            done="Revoked.",
        )
