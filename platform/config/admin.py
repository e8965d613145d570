"""Operators' accounts in the admin's own look, and what ties the apps' pages."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.groups import RIGHTS
from config.tenant_figures import MeteredFigures
from kit.admin import editing
from tenants.admin import figures, meanwhile

figures.read_from(MeteredFigures())
editing.read_from(meanwhile.last_change)

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class OperatorAdmin(UserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Accounts: deactivated rather than deleted, for the log names them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what an operator did keeps its name."""
        return False


@admin.register(Group)
class OperatorGroupAdmin(GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups of operators; what the product's own three may do is not changed here."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """Read permissions along with what names them: there are hundreds."""
        rows: QuerySet[Group] = super().get_queryset(request)
        return rows.prefetch_related("permissions__content_type")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for the groups that each migration puts in place."""
        if obj is not None and obj.name in RIGHTS:
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for the groups that each migration puts in place."""
        if obj is None or obj.name in RIGHTS:
            return False
        return bool(super().has_delete_permission(request, obj))
