"""Wallets, statements and balances over HTTP: parse, ask the selector, render."""

import datetime as dt
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kit.acting import Actor
from kit.drf.pagination import KeysetPagination
from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.drf.views import ManagementView, ManagementViewSet
from kit.errors import InvalidRequest
from kit.money import decimal_from_picos
from kit.scopes import Scope
from metering.ledger import selectors, wallets
from metering.ledger.api import examples
from metering.ledger.models import Account, Transaction
from metering.usage.api.fields import BoundField
from metering.usage.question import scope_of
from metering.usage.selectors import UsageQuery, billing_month, database_now
from tenants.api.serializers.references import TenantField
from tenants.models import Tenant
from tenants.selectors import tenant as tenant_by_id

_TENANT = "A tenant's slug or id; a tenant's token need not name it."
_NOT_KEPT = {"Cache-Control": "no-store"}


class WalletFilters(Filters):
    """Whose wallet is asked for."""

    tenant = TenantField(required=False, help_text=_TENANT)


class StatementFilters(WalletFilters):
    """Whose statement is asked for, and of when: without, of the running month."""

    start = BoundField(
        help_text="An instant with its offset, or a date: the tenant's billing day."
    )
    end = BoundField(help_text="Exclusive, else as `start`.")


class BalanceFilters(Filters):
    """Whose balances are asked for, and as of when."""

    tenant = TenantField(help_text="A tenant's slug or id.")
    at = serializers.DateTimeField(
        required=False, help_text="What occurred up to then counts; now if not said."
    )


class ComingOutput(serializers.Serializer[Any]):
    """Credit that expires soon unless it is used."""

    at = serializers.DateTimeField()
    amount = serializers.CharField()
    amount_picos = serializers.CharField()


@example(examples.WALLET)
class WalletOutput(serializers.Serializer[Any]):
    """All credit of a tenant: what is left, and what became of the rest."""

    tenant = serializers.IntegerField()
    currency = serializers.CharField()
    at = serializers.DateTimeField()
    granted = serializers.CharField(help_text="All that was ever granted.")
    granted_picos = serializers.CharField()
    burned = serializers.CharField(help_text="What use has taken, up to now.")
    burned_picos = serializers.CharField()
    pending = serializers.CharField(
        help_text="What of `burned` no statement shows yet: it is booked once a day."
    )
    pending_picos = serializers.CharField()
    expired = serializers.CharField()
    expired_picos = serializers.CharField()
    reversed = serializers.CharField(help_text="What was taken back.")
    reversed_picos = serializers.CharField()
    left = serializers.CharField(help_text="`granted` less all of these.")
    left_picos = serializers.CharField()
    held = serializers.CharField(
        help_text="What running requests of a prepaid tenant have used so far."
    )
    held_picos = serializers.CharField()
    available = serializers.CharField(help_text="`left` less `held`.")
    available_picos = serializers.CharField()
    expiring = ComingOutput(many=True, help_text="What expires within 30 days.")


class MovedOutput(serializers.Serializer[Any]):
    """What all postings of one kind came to."""

    kind = serializers.ChoiceField(choices=Transaction.Kind.choices)
    amount = serializers.CharField()
    amount_picos = serializers.CharField()


@example(examples.STATEMENT)
class StatementOutput(serializers.Serializer[Any]):
    """What a tenant's credit did in a span of time."""

    tenant = serializers.IntegerField()
    currency = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    opening = serializers.CharField(help_text="The balance as the span begins.")
    opening_picos = serializers.CharField()
    closing = serializers.CharField(help_text="`opening` and all that moved.")
    closing_picos = serializers.CharField()
    moved = MovedOutput(many=True)


@example(examples.STATEMENT_LINE)
class StatementLineOutput(serializers.Serializer[Any]):
    """One posting, and the balance after it."""

    id = serializers.IntegerField()
    occurred_at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=Transaction.Kind.choices)
    description = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="What it comes from: posted once."
    )
    amount = serializers.CharField(help_text="Positive for what the tenant has more.")
    amount_picos = serializers.CharField()
    balance = serializers.CharField(help_text="What it has after this line.")
    balance_picos = serializers.CharField()


class AccountBalanceOutput(serializers.Serializer[Any]):
    """What stands on one account."""

    account = serializers.ChoiceField(choices=Account.Kind.choices)
    currency = serializers.CharField()
    balance = serializers.CharField(help_text="Positive for a debit.")
    balance_picos = serializers.CharField()


@example(examples.BALANCES)
class BalancesOutput(serializers.Serializer[Any]):
    """What stands on every account of a tenant."""

    tenant = serializers.IntegerField()
    at = serializers.DateTimeField()
    accounts = AccountBalanceOutput(many=True)


class WalletView(ManagementView):
    """Credit as it is left."""

    scopes: ClassVar = {"get": Scope.BILLING_READ}

    @extend_schema(
        operation_id="read_wallet", parameters=[WalletFilters], responses=WalletOutput
    )
    def get(self, request: Request) -> Response:
        """Show what credit a tenant has left now, and what became of the rest.

        Only a prepaid tenant's use burns credit as it happens. A postpaid one's pays
        for its invoices, as they are made.
        """
        tenant = _tenant_meant(self.actor, self.parse_query(WalletFilters))
        found = wallets.wallet(tenant=tenant, now=database_now())
        names = ("granted", "burned", "pending", "expired", "reversed", "left")
        amounts = {name: getattr(found, name) for name in names}
        amounts |= {"held": found.held, "available": found.available}
        shown = {
            "tenant": found.tenant_id,
            "currency": found.currency,
            "at": found.at,
            **_money(**amounts),
            "expiring": [
                {"at": each.at, **_money(amount=each.picos)} for each in found.expiring
            ],
        }
        return Response(WalletOutput(shown).data, headers=_NOT_KEPT)


class StatementView(ManagementView):
    """What credit did, summed up."""

    scopes: ClassVar = {"get": Scope.BILLING_READ}

    @extend_schema(
        operation_id="read_statement",
        parameters=[StatementFilters],
        responses=StatementOutput,
    )
    def get(self, request: Request) -> Response:
        """Show a tenant's credit as a span of time begins and ends, and what moved it.

        Credit that use has taken is booked once a day, and as a period is closed: what
        is not booked yet is `pending` in the wallet, and in no statement.
        """
        meant = _span_meant(self.actor, self.parse_query(StatementFilters))
        found = wallets.statement(**meant)
        shown = {
            "tenant": found.tenant_id,
            "currency": found.currency,
            "start": found.start,
            "end": found.end,
            **_money(opening=found.opening, closing=found.closing),
            "moved": [
                {"kind": str(kind), **_money(amount=picos)}
                for kind, picos in found.moved
            ],
        }
        return Response(StatementOutput(shown).data, headers=_NOT_KEPT)


class StatementLineView(ManagementViewSet):
    """What credit did, line by line."""

    noun = "statement_line"
    scopes: ClassVar = {"list": Scope.BILLING_READ}

    @extend_schema(
        operation_id="list_statement_lines",
        parameters=[StatementFilters],
        responses=StatementLineOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List what moved a tenant's credit, newest first, with the balance after each.

        The balance after the newest line is the `closing` of the statement, and that
        before the oldest one its `opening`.
        """
        asked = self.parse_query(StatementFilters)
        # What is wrong with the page is said before whose it is.
        pages = KeysetPagination()
        pages.get_page_size(request)
        pages.decode_cursor(request)
        meant = _span_meant(self.actor, asked)
        page = self.paginate_queryset(wallets.statement_lines(**meant))
        lines = wallets.with_balances(page or (), **meant)
        shown = [
            {
                "id": line.transaction.pk,
                "occurred_at": line.transaction.occurred_at,
                "kind": line.transaction.kind,
                "description": line.transaction.get_kind_display(),
                "source": line.transaction.source,
                **_money(amount=line.picos, balance=line.balance),
            }
            for line in lines
        ]
        return self.get_paginated_response(StatementLineOutput(shown, many=True).data)


class BalancesView(ManagementView):
    """What stands on accounts."""

    scopes: ClassVar = {"get": Scope.OPERATE_READ}

    @extend_schema(
        operation_id="read_balances",
        parameters=[BalanceFilters],
        responses=BalancesOutput,
    )
    def get(self, request: Request) -> Response:
        """Show what stood on each of a tenant's ledger accounts, at any moment.

        A balance is the sum of its entries, debits positive.
        """
        asked = self.parse_query(BalanceFilters)
        at: dt.datetime = asked.get("at") or database_now()
        found = selectors.balances(tenant_id=asked["tenant"].pk, at=at)
        accounts = [
            {"account": str(kind), "currency": currency, **_money(balance=money.picos)}
            for (kind, currency), money in sorted(found.items())
        ]
        shown = {"tenant": asked["tenant"].pk, "at": at, "accounts": accounts}
        return Response(BalancesOutput(shown).data, headers=_NOT_KEPT)


def _tenant_meant(actor: Actor, asked: dict[str, Any]) -> Tenant:
    tenant: Tenant | None = asked.get("tenant")
    if tenant is not None:
        return tenant
    if actor.tenant_id is None:
        raise InvalidRequest(
            "Name a tenant: a wallet is shown of one at a time.", param="tenant"
        )
    return tenant_by_id(actor.tenant_id)


def _span_meant(actor: Actor, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the tenant and the two instants that are asked about."""
    tenant = _tenant_meant(actor, asked)
    start, end = billing_month(now=database_now(), tenant=tenant)
    query = UsageQuery(
        start=asked.get("start", start),
        end=asked.get("end", end),
        tenant_id=tenant.pk,
    )
    span = scope_of(query, source=None)
    return {"tenant": tenant, "start": span.start, "end": span.end}


def _money(**amounts: int) -> dict[str, str]:
    """Return each amount as text, in units and in picos."""
    found: dict[str, str] = {}
    for name, picos in amounts.items():
        found |= {name: decimal_from_picos(picos), f"{name}_picos": str(picos)}
    return found
