"""Who may do what in the management API: each action names the scope that it takes.

Failure: an action that is not named is refused to everybody, and a test of every route
finds it. One that is named with None takes any token.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from kit.acting import Actor
from kit.errors import PermissionDenied
from kit.scopes import READS, Scope

if TYPE_CHECKING:
    # The views module reads its defaults, this one among them, while it is imported.
    from rest_framework.views import APIView


class HoldsScope(BasePermission):
    """Only callers that hold the scope of the action."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether the caller holds it; raises `PermissionDenied` naming it."""
        if not isinstance(request.user, Actor):
            return False
        if request.method not in view.allowed_methods:
            return True  # which the view answers with 405
        scope = scope_of(view, request.method)
        if scope is None and takes_any_token(view, request.method):
            return True
        if scope is not None and request.user.may(scope):
            return True
        if request.user.is_suspended and scope is not None and scope not in READS:
            raise PermissionDenied(
                "The tenant is suspended: it can be read, and not be changed. Ask the"
                " operator of this installation to restore it.",
                code="tenant_suspended",
            )
        missing = f"the scope '{scope}'" if scope else "a right that nobody has"
        raise PermissionDenied(
            f"This takes {missing}, which your token does not hold. Use a token that"
            " does, or ask an owner of the tenant for one.",
            code="scope_missing",
        )


def scope_of(view: "APIView", method: str | None) -> Scope | None:
    """Return the scope that a view's action takes; None where none is declared."""
    return _scopes(view).get(_action(view, method))


def takes_any_token(view: "APIView", method: str | None) -> bool:
    """Tell whether the action is declared to take no scope."""
    scopes = _scopes(view)
    name = _action(view, method)
    return name in scopes and scopes[name] is None


def _scopes(view: "APIView") -> Mapping[str, Scope | None]:
    scopes: Mapping[str, Scope | None] = getattr(view, "scopes", {})
    return scopes


def _action(view: "APIView", method: str | None) -> str:
    return getattr(view, "action", None) or str(method).lower().replace("head", "get")
