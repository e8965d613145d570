"""Contracts over HTTP: draft one, say its prices, sign it, end it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.pricing import contracts, selectors
from metering.pricing.api import contract_serializers as wire
from metering.pricing.contracts import Agreed
from metering.pricing.models import Contract
from metering.usage.epochs import database_now


class ContractViewSet(ManagementViewSet):
    """Tenants' own prices."""

    noun = "contract"
    conflicting = ("partial_update", "set_prices", "sign", "end")
    locks = Contract
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.OPERATE_READ,
        "partial_update": Scope.OPERATE_WRITE,
        "set_prices": Scope.OPERATE_WRITE,
        "sign": Scope.OPERATE_WRITE,
        "end": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.ContractFilters], responses=wire.ContractOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List contracts, the latest first.

        A signed contract goes before whatever book its tenant is assigned, for its
        time.
        """
        wanted = self.parse_query(wire.ContractFilters)
        rows = selectors.contracts(
            tenant=wanted.get("tenant"), base_id=wanted.get("price_book")
        )
        return self.page(rows, wire.ContractOutput)

    @extend_schema(request=wire.ContractInput, responses={201: wire.ContractOutput})
    def create(self, request: Request) -> Response:
        """Draft a contract: prices of its own for one tenant, off those of a book.

        It prices nothing until it is signed.
        """
        wanted = self.parse(wire.ContractInput)
        contract = contracts.create_contract(
            base=wanted.pop("price_book"),
            prices=_agreed(wanted.pop("prices")),
            **wanted,
        )
        return _shown(contract.pk, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ContractOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a contract.

        Once it is signed, `derived_price_book` lists its prices in their versions.
        """
        return _shown(pk)

    @extend_schema(request=wire.ContractChanges, responses=wire.ContractOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a draft.

        A signed contract cannot change any more.
        """
        contracts.update_contract(
            contract=selectors.contract(pk), **self.parse(wire.ContractChanges)
        )
        return _shown(pk)

    @extend_schema(
        operation_id="set_contract_prices",
        request=wire.AgreedPricesInput,
        responses=wire.ContractOutput,
    )
    def set_prices(self, request: Request, pk: int) -> Response:
        """Say what a draft has for which models, all or none.

        A model that is not listed gets the contract's percentage off the book's price.
        """
        contract = selectors.contract(pk)
        wanted = self.parse(wire.AgreedPricesInput)["prices"]
        contracts.set_contract_prices(contract=contract, prices=_agreed(wanted))
        return _shown(pk)

    @extend_schema(request=None, responses=wire.ContractOutput)
    def sign(self, request: Request, pk: int) -> Response:
        """Put a contract in force for its time, for good.

        Its prices are resolved to whole picos per token now, and for each later version
        of the book when that is published.
        """
        contracts.sign_contract(contract=selectors.contract(pk), now=database_now())
        return _shown(pk)

    @extend_schema(request=wire.ContractEnd, responses=wire.ContractOutput)
    def end(self, request: Request, pk: int) -> Response:
        """Let a contract end earlier than agreed, now or at a later instant.

        What was used before keeps the price that it was admitted at. A draft is
        discarded.
        """
        contracts.end_contract(
            contract=selectors.contract(pk),
            now=database_now(),
            **self.parse(wire.ContractEnd),
        )
        return _shown(pk)


def _agreed(prices: Sequence[dict[str, Any]]) -> Sequence[Agreed]:
    return [Agreed(**price) for price in prices]


def _shown(pk: int, code: int = status.HTTP_200_OK) -> Response:
    return Response(wire.ContractOutput(selectors.contract(pk)).data, code)
