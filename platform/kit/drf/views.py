"""Base of the management API's views."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from kit.orm.roles import as_operator


class OperatorView(APIView):
    """A view that reads and writes as the operator role; permission is checked first."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Handle the request as operator."""
        with as_operator():
            return super().dispatch(request, *args, **kwargs)


class OperatorViewSet(OperatorView, GenericViewSet):  # type: ignore[type-arg]
    """A viewset that reads and writes as the operator role."""
