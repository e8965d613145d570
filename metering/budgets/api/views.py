"""What may still be spent over HTTP: parse, ask the selector, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementView
from kit.scopes import Scope
from metering.budgets.api import serializers as wire
from metering.budgets.selectors import standing
from metering.usage.selectors import database_now
from tenants.api.meaning import holder_meant
from tenants.api.serializers.effective_limits import EffectiveFilters


class StandingView(ManagementView):
    """What a key, a project or a tenant may still spend."""

    scopes: ClassVar = {"get": Scope.LIMITS_READ}

    @extend_schema(
        operation_id="read_standing",
        parameters=[EffectiveFilters],
        responses=wire.StandingOutput,
    )
    def get(self, request: Request) -> Response:
        """Show what may still be spent, of every budget, quota and credit in force.

        A call is admitted while each hard one of them has something left. They are read
        at one moment, by the rows that decide; requests that run meanwhile use more.
        What is tightest comes first: by the share used, hard before soft.
        """
        wanted = self.parse_query(EffectiveFilters)
        model = wanted.pop("model", None)
        found = standing(
            model=model, now=database_now(), **holder_meant(self.actor, wanted)
        )
        # What is left now is not what is left in a minute.
        headers = {"Cache-Control": "no-store"}
        return Response(wire.StandingOutput(wire.shown(found)).data, headers=headers)
