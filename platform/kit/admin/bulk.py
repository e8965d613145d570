"""An action on many rows: counted, confirmed, and done to all of them or to none.

The page between the list and the deed says how many rows it is for and what will
follow; for more than ten rows, or for any that were used within the hour, it asks for a
phrase to be typed. The rows are locked in the order of their ids, so that of two clicks
the second finds nothing left to do.

Failure: what a service refuses for one row undoes it for all, and is said with the
row's name.
"""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from kit.errors import PermissionDenied, PlatformError
from kit.orm.atomic import atomic

# As many as one form may name, with room to spare.
ROWS_MAX = 500
UNTYPED_ROWS_MAX = 10
_SHOWN_ROWS_MAX = 20
_ID = re.compile(r"[0-9]{1,18}")
_CONFIRMED, _PHRASE = "confirmed", "phrase"


@dataclass(frozen=True, slots=True)
class Consequences:
    """What will follow, a line each; `is_in_use` asks for more than a click."""

    lines: tuple[str, ...] = ()
    is_in_use: bool = False


class BulkAction:
    """One action on many rows of a list."""

    name: str
    label: str
    explanation: str
    # "Suspended." in the log, of each row.
    done: str
    # The page's method `has_<permission>_permission` says who may.
    permission = "change"
    is_danger = False

    def consequences(self, rows: Sequence[Any], *, now: dt.datetime) -> Consequences:
        """Count what will follow."""
        return Consequences()

    def is_done(self, row: Any) -> bool:
        """Tell whether there is nothing left to do for a row."""
        raise NotImplementedError

    def refusal(self, row: Any, user: AbstractUser | AnonymousUser) -> str:
        """Say why somebody may not do it to this row; empty where they may."""
        return ""

    def do(self, row: Any, *, now: dt.datetime) -> Model:
        """Do it to one row by its service."""
        raise NotImplementedError

    def is_allowed(self, pages: Any, request: HttpRequest) -> bool:
        """Tell whether the account may do it."""
        return bool(getattr(pages, f"has_{self.permission}_permission")(request))


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request for an action, with the rows it is for."""

    action: BulkAction
    pages: Any
    request: HttpRequest
    ids: tuple[int, ...]

    @property
    def noun(self) -> str:
        """Return what the rows are called, as many as there are."""
        meta = self.pages.opts
        one = len(self.ids) == 1
        return str(meta.verbose_name if one else meta.verbose_name_plural)

    @property
    def phrase(self) -> str:
        """Return what has to be typed."""
        return f"{self.action.label.lower()} {len(self.ids)}"


def offered(
    actions: Iterable[BulkAction], pages: Any, request: HttpRequest
) -> dict[str, tuple[Any, str, str]]:
    """Return the actions that an account may take, as Django's lists want them."""
    return {
        each.name: (partial(_answer, each), each.name, each.label)
        for each in actions
        if each.is_allowed(pages, request)
    }


def _answer(
    action: BulkAction, pages: Any, request: HttpRequest, selected: QuerySet[Any]
) -> HttpResponse | None:
    """Ask or, when asked already, act; then go back to the list."""
    if request.POST.get(_CONFIRMED):
        # By id: what was confirmed may have left the list's own filter since.
        named = request.POST.getlist(ACTION_CHECKBOX_NAME)
        ids = {int(each) for each in named if _ID.fullmatch(each)}
    else:
        ids = set(selected.order_by().values_list("pk", flat=True)[: ROWS_MAX + 1])
    if len(ids) > ROWS_MAX:
        messages.error(
            request, f"Choose at most {ROWS_MAX} at a time. Nothing was done."
        )
        return None
    asked = _Asked(action, pages, request, tuple(sorted(ids)))
    if not request.POST.get(_CONFIRMED):
        return _page(asked)
    return _act(asked)


def _act(asked: _Asked) -> HttpResponse:
    """Do it to all rows or to none."""
    now, action, request = timezone.now(), asked.action, asked.request
    row: Any = None
    try:
        with atomic():
            rows = list(_rows(asked).select_for_update(no_key=True, of=("self",)))
            left = [each for each in rows if not action.is_done(each)]
            if not _typed(asked) and _must_type(left, _weighed(asked, left, now=now)):
                messages.error(request, f"Type “{asked.phrase}”. Nothing was done.")
                return _page(asked)
            for row in left:
                if why := action.refusal(row, request.user):
                    raise PermissionDenied(why)
                asked.pages.log_change(request, action.do(row, now=now), action.done)
    except PlatformError as refused:
        messages.error(request, f"Nothing was done. {row}: {refused.message}")
    else:
        messages.success(request, _summary(asked, len(left), len(rows) - len(left)))
    return HttpResponseRedirect(request.get_full_path())


def _page(asked: _Asked) -> HttpResponse:
    """Say what will follow, and ask."""
    now, action = timezone.now(), asked.action
    rows = list(_rows(asked))
    left = [each for each in rows if not action.is_done(each)]
    weighed = _weighed(asked, left, now=now)
    context = {
        **asked.pages.admin_site.each_context(asked.request),
        "title": f"{action.label} {len(rows)} {asked.noun}",
        "opts": asked.pages.opts,
        "action": action,
        "ids": asked.ids,
        "shown": rows[:_SHOWN_ROWS_MAX],
        "more": max(0, len(rows) - _SHOWN_ROWS_MAX),
        "left": len(left),
        "done_already": len(rows) - len(left),
        "consequences": weighed.lines,
        "phrase": asked.phrase if _must_type(left, weighed) else "",
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": asked.request.get_full_path(),
    }
    return TemplateResponse(asked.request, "kit/bulk.html", context)


def _rows(asked: _Asked) -> QuerySet[Any]:
    rows: QuerySet[Any] = asked.pages.get_queryset(asked.request)
    return rows.filter(pk__in=asked.ids).order_by("pk")


def _weighed(asked: _Asked, left: Sequence[Any], *, now: dt.datetime) -> Consequences:
    return asked.action.consequences(left, now=now) if left else Consequences()


def _must_type(left: Sequence[Any], weighed: Consequences) -> bool:
    return bool(left) and (len(left) > UNTYPED_ROWS_MAX or weighed.is_in_use)


def _typed(asked: _Asked) -> bool:
    return asked.request.POST.get(_PHRASE, "").strip().lower() == asked.phrase


def _summary(asked: _Asked, done: int, before: int) -> str:
    meta = asked.pages.opts
    noun = meta.verbose_name if done == 1 else meta.verbose_name_plural
    said = f"{asked.action.done.rstrip('.')}: {done} {noun}."
    return f"{said} {before} already were." if before else said
