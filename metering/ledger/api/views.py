"""Credit grants over HTTP: parse, make one call, render.

No version is named in a write: the count of use is locked before a grant is. A write
that must happen once has an `Idempotency-Key`, and a grant its reference besides.
"""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.ledger import selectors, services
from metering.ledger.api import serializers as wire
from metering.ledger.references import require_theirs, require_unsold
from metering.ledger.requesting import require_one
from metering.usage.selectors import database_now


class CreditGrantViewSet(ManagementViewSet):
    """What tenants may use before they pay anything else."""

    noun = "credit_grant"
    conflicting = ("create", "reverse")
    volatile = ("burned", "burned_picos", "left", "left_picos")
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
        "reverse": Scope.OPERATE_WRITE,
        "end": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.CreditGrantFilters],
        responses=wire.CreditGrantOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List credit grants, newest first, with what is left of each.

        They burn by priority, expiry and age, only while the tenant is prepaid.
        """
        filters = self.parse_query(wire.CreditGrantFilters)
        return self.page(selectors.credit_grants(**filters), wire.CreditGrantOutput)

    @extend_schema(
        request=wire.CreditGrantCreate, responses={201: wire.CreditGrantOutput}
    )
    def create(self, request: Request) -> Response:
        """Grant credit to a tenant.

        It holds at once on every gateway, and burns for what is used from now on. The
        same reference again, with the same terms, answers with the same grant. What
        takes another person, by GRANT_APPROVAL_ABOVE, is 403: it is asked for in the
        admin.
        """
        terms = self.parse(wire.CreditGrantCreate)
        require_theirs(terms["reference"])
        require_one(terms["amount_picos"], terms["tenant"].currency)
        row = services.grant_credit(now=database_now(), **terms)
        return Response(wire.CreditGrantOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.CreditGrantOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a credit grant, with what is left of it.

        How all of a tenant's credit stands is at `limits/standing/`.
        """
        return Response(wire.CreditGrantOutput(selectors.credit_grant(pk)).data)

    @extend_schema(request=wire.CreditReversal, responses=wire.CreditGrantOutput)
    @action(detail=True, methods=["post"])
    def reverse(self, request: Request, pk: int) -> Response:
        """Take a part of a grant back, or all of it.

        A refund takes of what is left. A charge back, or a mistake, takes also what is
        burned: that falls on the tenant's other credit, or is owed. What a top-up sold
        goes back by a credit note on its invoice, with its tax.
        """
        grant = selectors.credit_grant(pk)
        terms = self.parse(wire.CreditReversal)
        require_unsold(grant, terms["reversal"])
        row = services.reverse_credit(grant=grant, now=database_now(), **terms)
        return Response(wire.CreditGrantOutput(row).data)

    @extend_schema(request=None, responses=wire.CreditGrantOutput)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: int) -> Response:
        """End a grant: what is left of it expires now, for good.

        Ending twice keeps the first instant.
        """
        row = services.end_credit(grant=selectors.credit_grant(pk), now=database_now())
        return Response(wire.CreditGrantOutput(row).data)
