"""Admin pages whose writes are services, and which never delete.

Nothing with history is deleted: it is suspended, archived, revoked or disabled by an
action that says what will happen and asks first. Failure: what a service refuses is
shown on the page, and nothing is written.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from kit.errors import PlatformError


class ServiceAdmin(ModelAdmin):  # type: ignore[misc]
    """Pages of one model: `create` and `update` call its services.

    Fields named in `fixed_fields` are given once and stay.
    """

    fixed_fields: tuple[str, ...] = ()
    list_filter_submit = True
    list_fullwidth = True
    compressed_fields = True

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Model:
        """Create a row from the form's values by calling a service."""
        raise NotImplementedError

    def update(self, row: Any, changes: Mapping[str, Any]) -> Model:
        """Change a row's named fields by calling a service."""
        raise NotImplementedError

    def save_model(
        self, request: HttpRequest, obj: Model, form: Any, change: bool
    ) -> None:
        """Write through a service, in the transaction that Django opened."""
        values = form.cleaned_data
        if change:
            self.update(obj, {name: values[name] for name in form.changed_data})
            return
        created = self.create(values, request)
        # Django goes on with its own instance: to the log and to the next page.
        obj.__dict__.update(created.__dict__)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save the form; what a service refuses becomes a message."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except PlatformError as refused:
            messages.error(request, refused.message)
            return HttpResponseRedirect(request.get_full_path())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let fixed fields be written once."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if obj is None else fields + self.fixed_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing with history is deleted."""
        return False

    def act(
        self,
        request: HttpRequest,
        object_id: str,
        call: Callable[[Any], Model],
        *,
        done: str,
    ) -> HttpResponse:
        """Run a confirmed action on one row, log it, and go back to its page."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        try:
            row = call(row)
        except PlatformError as refused:
            messages.error(request, refused.message)
        else:
            self.log_change(request, row, done)
            messages.success(request, f"{row}: {done}")
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return _go_to(request, reverse(name, args=(object_id,)))


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Pages of rows that only the product itself writes."""

    list_filter_submit = True
    list_fullwidth = True
    compressed_fields = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: people do not write these."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: people do not write these."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing with history is deleted."""
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows that belong to the page's row, to be read and followed."""

    extra = 0
    per_page = 20
    show_change_link = True
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: each has a page of its own."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: each has a page of its own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing with history is deleted."""
        return False


class Confirmation(BaseDialogForm):  # type: ignore[misc]
    """A dialog that counts what an action will do before it is confirmed."""

    def consequence(self, object_id: str) -> str:
        """Say what will happen to whom."""
        raise NotImplementedError

    def render_before_template(self) -> str:
        """Show the consequence above the buttons."""
        if not str(self.object_id).isdecimal():
            raise Http404
        return format_html(
            '<p class="mt-4 font-semibold">{}</p>', self.consequence(self.object_id)
        )


def confirmed_action(
    *,
    label: str,
    explanation: str,
    icon: str,
    is_danger: bool = False,
    form: type[BaseDialogForm] | None = None,
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Make a method an action with a dialog: nothing happens but by its POST."""
    made: Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]] = action(
        description=label,
        permissions=["change"],
        icon=icon,
        variant=ActionVariant.DANGER if is_danger else ActionVariant.DEFAULT,
        dialog={
            "title": label,
            "description": explanation,
            "form_class": form,
            "form_submit_text": label,
        },
    )
    return made


def state_label(
    *, ordering: str | None = None, **colours: str
) -> Callable[[Callable[[Any, Any], str]], Callable[[Any, Any], str]]:
    """Make a method a column of coloured state labels, `active="success"` and so on."""
    made: Callable[[Callable[[Any, Any], str]], Callable[[Any, Any], str]] = display(
        description="state", ordering=ordering, label=colours
    )
    return made


def _go_to(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect a page or, for the dialog's own request, the page behind it."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)
