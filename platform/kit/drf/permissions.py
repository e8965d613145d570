"""Who may use an endpoint of the management API."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    # The views module reads its defaults, this one among them, while it is imported.
    from rest_framework.views import APIView


class IsOperator(BasePermission):
    """Only the holder of the operator token."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether the caller is the operator."""
        return bool(getattr(request.user, "is_operator", False))
