"""The receipt of one request over HTTP: from tokens and prices to invoice lines.

It stands here and not beside the request log, since invoices are known here. Failure: a
request of another tenant, or beyond what whoever asks may see, is not there.
"""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kit.contracts import EventKind
from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.drf.views import ManagementViewSet
from kit.money import decimal_from_picos, quote_per_million
from kit.scopes import Scope
from metering.billing.api.examples import RECEIPT
from metering.billing.api.serializers import BILLED_CLASSES
from metering.billing.charged_in import ChargedIn, charged_in
from metering.usage.api.requests import LoggedRequestOutput, logged, milliseconds
from metering.usage.receipts import Charge, Receipt, receipt
from metering.usage.request_log import require_tenant
from tenants.api.serializers.references import TenantField


class ReceiptFilters(Filters):
    """Whose request it is."""

    tenant = TenantField(
        required=False,
        help_text="A tenant's slug or id; a tenant's token need not name it.",
    )


class ReceiptLineOutput(serializers.Serializer[Any]):
    """Tokens of one class times the price of one."""

    token_class = serializers.ChoiceField(choices=BILLED_CLASSES)
    tokens = serializers.IntegerField()
    price_per_million = serializers.CharField()
    charge_picos = serializers.CharField()
    charge = serializers.CharField()


class ReceiptChargeOutput(serializers.Serializer[Any]):
    """What one event charges, or gives back."""

    event_id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=[each.name.lower() for each in EventKind])
    committed_at = serializers.DateTimeField()
    price_version = serializers.IntegerField(
        help_text="The number of the price book's version that it was charged by."
    )
    price_since = serializers.DateTimeField(help_text="When that took effect.")
    lines = ReceiptLineOutput(many=True)
    charge_picos = serializers.CharField()
    charge = serializers.CharField()
    adds_up = serializers.BooleanField(
        help_text="Whether its lines are its charge, to the pico."
    )


class ReceiptInvoiceLineOutput(serializers.Serializer[Any]):
    """A line of an invoice that charges the request's billing day at its price."""

    invoice = serializers.IntegerField(help_text="Its id.")
    number = serializers.CharField(help_text="Empty while it has none.")
    position = serializers.IntegerField(help_text="The line's place on it.")
    description = serializers.CharField()


@example(RECEIPT)
class ReceiptOutput(LoggedRequestOutput):
    """All that is known of a request: counts, times, prices, nothing of its content."""

    queue_ms = serializers.FloatField(
        allow_null=True, help_text="From its arrival until it was sent to an engine."
    )
    last_token_ms = serializers.FloatField(
        allow_null=True, help_text="From its arrival until its last token."
    )
    settled_at = serializers.DateTimeField(
        help_text="When its usage event was committed."
    )
    chunks = serializers.IntegerField(
        allow_null=True, help_text="The pieces that a stream came in."
    )
    gap_max_ms = serializers.FloatField(
        allow_null=True, help_text="The longest time between two of them."
    )
    generated_tokens = serializers.IntegerField(
        help_text="What the engine made, delivered or not."
    )
    held_picos = serializers.CharField(
        allow_null=True,
        help_text="The most that what was held when it was let in could have cost.",
    )
    held = serializers.CharField(allow_null=True)
    charges = ReceiptChargeOutput(
        many=True, help_text="The request's own, then its corrections: `net_charge`."
    )
    billing_day = serializers.DateField(
        allow_null=True, help_text="The day that it counts to; null while none is."
    )
    invoice_lines = ReceiptInvoiceLineOutput(
        many=True,
        allow_null=True,
        help_text="The lines that charge that day at its prices, none while it is not "
        "invoiced; null without the scope `billing:read`.",
    )


class ReceiptViewSet(ManagementViewSet):
    """Receipts of single requests."""

    noun = "request"
    scopes: ClassVar = {"retrieve": Scope.USAGE_READ}

    @extend_schema(parameters=[ReceiptFilters], responses=ReceiptOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show the receipt of one request, by the id that its answer had.

        A request is here once it has ended. Its charge is told as tokens times prices,
        each correction of it beside, and followed to the invoice lines that it is in.

        A member who is kept to projects sees the requests of those alone.
        """
        named = self.parse_query(ReceiptFilters).get("tenant")
        found = receipt(
            tenant_id=require_tenant(named.pk if named else self.actor.tenant_id),
            request_id=pk,
            reach=self.actor.project_ids,
        )
        where = _charged_in(found, with_drafts=self.actor.is_operator)
        sees_bills = self.actor.may(Scope.BILLING_READ)
        shown = {
            **logged(found.request),
            **_own(found),
            "charges": [_charge(each) for each in (found.charge, *found.corrections)],
            "billing_day": where.day.date if where else None,
            "invoice_lines": _invoice_lines(found, where) if sees_bills else None,
        }
        return Response(ReceiptOutput(shown).data)


def _own(found: Receipt) -> dict[str, Any]:
    held = found.held_picos
    return {
        "queue_ms": milliseconds(found.queue_us),
        "last_token_ms": milliseconds(found.request.last_token_us),
        "settled_at": found.settled_at,
        "chunks": found.chunks,
        "gap_max_ms": milliseconds(found.gap_max_us),
        "generated_tokens": found.generated_tokens,
        "held_picos": None if held is None else str(held),
        "held": None if held is None else decimal_from_picos(held),
    }


def _charge(charge: Charge) -> dict[str, Any]:
    lines = [
        {
            "token_class": line.token_class.name.lower(),
            "tokens": line.tokens,
            "price_per_million": quote_per_million(line.unit_picos),
            "charge_picos": str(line.charge_picos),
            "charge": decimal_from_picos(line.charge_picos),
        }
        for line in charge.lines
    ]
    return {
        "event_id": charge.event_id,
        "kind": charge.kind.name.lower(),
        "committed_at": charge.committed_at,
        "price_version": charge.version.number,
        "price_since": charge.version.effective_at,
        "lines": lines,
        "charge_picos": str(charge.charge_picos),
        "charge": decimal_from_picos(charge.charge_picos),
        "adds_up": charge.adds_up,
    }


def _charged_in(found: Receipt, *, with_drafts: bool) -> ChargedIn | None:
    charges = (found.charge, *found.corrections)
    return charged_in(
        tenant_id=found.request.tenant_id,
        at=found.request.admitted_at,
        price_ids={charge.version.price_id for charge in charges},
        with_drafts=with_drafts,
    )


def _invoice_lines(found: Receipt, where: ChargedIn | None) -> list[dict[str, Any]]:
    charges = (found.charge, *found.corrections)
    classes = {line.token_class for charge in charges for line in charge.lines}
    return [
        {
            "invoice": line.invoice_id,
            "number": line.invoice.number or "",
            "position": line.position,
            "description": line.description,
        }
        for line in (where.lines if where else ())
        if line.token_class in classes
    ]
