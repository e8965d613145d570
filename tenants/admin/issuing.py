"""Pages that issue a credential or replace one, and show its text this once.

The text is rendered into the answer to the form that asked for it: it goes into no
message, session or log, and no cache keeps it. A form that is sent again, as by a
reload, issues nothing.
"""

import datetime as dt
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from kit.admin import ServiceAdmin
from kit.errors import InvalidRequest, PlatformError
from kit.sent_once import CREATED
from tenants.credentials import OVERLAP_DEFAULT

OVERLAPS = (
    (0, "no longer"),
    (3600, "an hour"),
    (86_400, "24 hours"),
    (3 * 86_400, "3 days"),
    (7 * 86_400, "7 days"),
)


class IssuingAdmin(ServiceAdmin):
    """Pages of a credential: `rotated` calls its service."""

    # "API key", as the pages say it.
    noun: str

    def holder_of(self, row: Any) -> str:
        """Say whose a credential is."""
        raise NotImplementedError

    def rotated(self, row: Any, *, overlap: dt.timedelta) -> tuple[str, Any]:
        """Replace a row by its service; return the new text and the new row."""
        raise NotImplementedError

    def consequence_of(self, row: Any) -> str:
        """Say what still uses a row."""
        raise NotImplementedError

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: Any = None
    ) -> HttpResponse:
        """Show the new credential, this once."""
        text: str = request.issued_text  # type: ignore[attr-defined]
        return self._issued(request, obj, text)

    def rotate_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how long the old one goes on, then replace it."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if request.method != "POST":
            return self._ask(request, row)
        try:
            return self.once(request, partial(self._rotate, request, row))
        except PlatformError as refused:
            messages.error(request, refused.message)
            return HttpResponseRedirect(self._address("change", row.pk))

    def _rotate(self, request: HttpRequest, row: Any) -> HttpResponse:
        text, fresh = self.rotated(row, overlap=_overlap(request))
        self.log_change(request, row, f"Rotated: replaced by {fresh.pk}.")
        self.log_addition(request, fresh, f"Issued in place of {row.pk}.")
        return self._issued(request, fresh, text)

    def _ask(self, request: HttpRequest, row: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Rotate {self.noun}",
            "opts": self.opts,
            "original": row,
            "noun": self.noun,
            "consequence": self.consequence_of(row),
            "overlaps": OVERLAPS,
            "chosen": int(OVERLAP_DEFAULT.total_seconds()),
            "back": self._address("change", row.pk),
        }
        return TemplateResponse(request, "tenants/rotate.html", context)

    def _issued(self, request: HttpRequest, row: Any, text: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{self.noun[0].upper()}{self.noun[1:]} issued",
            "opts": self.opts,
            "original": row,
            "noun": self.noun,
            "holder": self.holder_of(row),
            "issued_key": text,
            "back": self._address("changelist"),
        }
        response = TemplateResponse(
            request, "tenants/issued.html", context, status=CREATED
        )
        response["Location"] = self._address("change", row.pk)
        # Going back in the browser must not bring it up again.
        response["Cache-Control"] = "no-store"
        return response

    def _address(self, page: str, *args: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args)


def _overlap(request: HttpRequest) -> dt.timedelta:
    chosen = request.POST.get("overlap_s", "")
    if chosen not in {str(seconds) for seconds, _ in OVERLAPS}:
        raise InvalidRequest("Choose how long the old one goes on.", param="overlap_s")
    return dt.timedelta(seconds=int(chosen))
