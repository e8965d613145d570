"""Operators' pages of the books: accounts, transactions and entries, to be read only.

Nothing is ever corrected here: a correction is a posting of its own.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from kit.admin import ReadOnlyAdmin, ReadOnlyInline
from kit.money import format_picos
from metering.ledger import selectors
from metering.ledger.credit_admin import CreditGrantAdmin
from metering.ledger.models import Account, Entry, Transaction
from metering.ledger.request_admin import GrantRequestAdmin
from tenants.models import Tenant

# Credit has a module of its own, which Django does not look for.
__all__ = [
    "AccountAdmin",
    "CreditGrantAdmin",
    "EntryAdmin",
    "GrantRequestAdmin",
    "TransactionAdmin",
]

_ID_MAX = 2**63 - 1


class _OfTenant(ReadOnlyAdmin):
    """Rows of the ledger name their tenant by id only: nothing may lock them to it.

    They are listed in the order of their ids and in no other: to sort what only grows
    would take longer each year.
    """

    sortable_by = ()
    search_help_text = "Tenant's slug or name, source, id"

    @admin.display(description="tenant")
    def tenant(self, row: Any) -> str:
        """Show the tenant's slug."""
        return str(row.tenant_slug)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the slug along with each row."""
        rows: QuerySet[Any] = super().get_queryset(request)
        owner = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("slug")
        named: QuerySet[Any] = rows.annotate(tenant_slug=Subquery(owner))
        return named

    def rows_with(self, word: str) -> Sequence[QuerySet[Any]]:
        """Find the rows of tenants by what these are called."""
        named = Q(slug__icontains=word) | Q(name__icontains=word)
        if word.isdecimal():
            named |= Q(pk=min(int(word), _ID_MAX))
        owners = Tenant.objects.filter(named).order_by()
        rows: QuerySet[Any] = self.model._default_manager.order_by()
        return (rows.filter(tenant_id__in=owners.values("pk")),)


class _EntryInline(ReadOnlyInline):
    model = Entry
    fields = ("account", "debit", "credit")
    readonly_fields = fields
    ordering = ("id",)
    show_change_link = False
    hide_title = True
    tab = False

    @admin.display(description="debit")
    def debit(self, row: Entry) -> str:
        """Show what was debited."""
        return debit(row)

    @admin.display(description="credit")
    def credit(self, row: Entry) -> str:
        """Show what was credited."""
        return credit(row)


@admin.register(Account)
class AccountAdmin(_OfTenant):
    """Accounts and what stands on them."""

    list_display = ("tenant", "kind", "currency")
    list_filter = ("kind", "currency")
    search_fields = ("kind",)
    empty_says = "A tenant's accounts are made with its first posting."
    fields = (("tenant", "kind"), ("currency", "balance"))
    readonly_fields = ("tenant", "balance")
    ordering = ("tenant_id", "currency", "kind")

    @admin.display(description="balance, debits positive")
    def balance(self, row: Account) -> str:
        """Show the exact sum of the account's entries."""
        standing = selectors.balances(tenant_id=row.tenant_id, at=timezone.now())
        found = standing.get((Account.Kind(row.kind), row.currency))
        return f"{format_picos(found.picos if found else 0)} {row.currency}"


@admin.register(Transaction)
class TransactionAdmin(_OfTenant):
    """Postings with their entries."""

    list_display = ("tenant", "kind", "source", "occurred_at", "posted_at")
    list_filter = ("kind",)
    search_fields = ("source",)
    empty_says = "A day of usage is posted once it has ended."
    fields = (("tenant", "kind"), "source", ("occurred_at", "posted_at"))
    readonly_fields = ("tenant", "posted_at")
    ordering = ("-id",)
    inlines = (_EntryInline,)


@admin.register(Entry)
class EntryAdmin(_OfTenant):
    """Every debit and credit."""

    list_display = ("tenant", "account_kind", "transaction", "debit", "credit")
    list_select_related = ("account", "transaction")
    list_filter = ("account__kind", "account__currency")
    search_fields = ("transaction__source",)
    empty_says = "A day of usage is posted once it has ended."
    fields = (("tenant", "account"), "transaction", ("debit", "credit"))
    readonly_fields = ("tenant", "debit", "credit")
    ordering = ("-id",)

    @admin.display(description="account", ordering="account__kind")
    def account_kind(self, row: Entry) -> str:
        """Show the account's kind and currency."""
        return f"{row.account.kind} {row.account.currency}"

    @admin.display(description="debit")
    def debit(self, row: Entry) -> str:
        """Show what was debited."""
        return debit(row)

    @admin.display(description="credit")
    def credit(self, row: Entry) -> str:
        """Show what was credited."""
        return credit(row)


def debit(row: Entry) -> str:
    """Return the exact amount of a debit, or nothing."""
    return format_picos(row.amount_picos) if row.amount_picos > 0 else ""


def credit(row: Entry) -> str:
    """Return the exact amount of a credit, or nothing."""
    return format_picos(-row.amount_picos) if row.amount_picos < 0 else ""
