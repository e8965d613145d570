"""Operators' accounts in the admin's own look, and what ties the apps' pages."""

from typing import Any

from allauth.account.models import EmailAddress
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
    """Accounts: deactivated rather than deleted, for the log names them.

    The address that is given here is the only one: a way to a new password that went
    to an earlier one is closed.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        """Save the account; of addresses that it had, only the given one stays."""
        # As the library looks addresses up.
        obj.email = obj.email.lower()
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            had = EmailAddress.objects.filter(user=obj)
            had.exclude(email=obj.email).delete()

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
