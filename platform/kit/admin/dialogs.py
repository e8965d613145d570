"""Actions on one row that say what will happen and ask first, and labels of states.

Failure: a dialog of what is no id, or of no row, is 404. Nothing happens but by its
POST.
"""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from kit.errors import NotFound
from kit.sent_once import nonce_field


class Confirmation(BaseDialogForm):  # type: ignore[misc]
    """A dialog that counts what an action will do before it is confirmed."""

    def consequence(self, object_id: str) -> str:
        """Say what will happen to whom."""
        raise NotImplementedError

    def render_before_template(self) -> str:
        """Show the consequence above the buttons; sent twice, it happens once."""
        if not str(self.object_id).isdecimal():
            raise Http404
        try:
            said = self.consequence(str(self.object_id))
        except NotFound as missing:
            raise Http404 from missing
        nonce = nonce_field(self.request)
        return format_html('<p class="mt-4 font-semibold">{}</p>{}', said, nonce)


def confirmed_action(
    *,
    label: str,
    explanation: str,
    icon: str,
    is_danger: bool = False,
    form: type[BaseDialogForm] | None = None,
    permission: str = "change",
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Make a method an action with a dialog: nothing happens but by its POST.

    Whoever may take it is said by the page's method `has_<permission>_permission`.
    """
    made: Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]] = action(
        description=label,
        permissions=[permission],
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


def go_to(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect a page or, for the dialog's own request, the page behind it."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)
