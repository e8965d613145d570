"""Every cell of the matrix: an operation, a caller, a target, and what must come of it.

What must come of it follows from what views declare and roles hold, never from what the
product does: without a token 401, without the scope 403, another tenant's row exactly
what a row gives that does not exist.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from django.urls import resolve

from kit.scopes import Scope
from tests.api.document import Operation, at_number, operations
from tests.isolation.world import Caller, Side, World

NOWHERE = 999_999_999
# The word of a path for the rows that it leads to, where a tenant owns them.
OWNED = {
    "tenants": "tenant",
    "projects": "project",
    "keys": "key",
    "members": "member",
    "invitations": "invitation",
    "tokens": "token",
    "rate-limits": "rate_limit",
    "quotas": "quota",
    "budgets": "budget",
    "invoices": "invoice",
    "billing-profiles": "billing_profile",
    "billing-addresses": "billing_address",
    "credit-grants": "credit_grant",
    "webhook-endpoints": "webhook_endpoint",
    "adjustments": "adjustment",
    "exports": "export",
    "tax-treatments": "tax_treatment",
    "top-ups": "top_up",
    "top-up-rules": "top_up_rule",
    "checkouts": "checkout",
    "portal-links": "portal_link",
    "price-book-assignments": "price_book_assignment",
    "contracts": "contract",
    "payments": "payment",
    "credit-notes": "credit_note",
    "subscriptions": "subscription",
    # By the id that its answer had.
    "requests": "request",
}
# The same for rows of the installation.
SHARED = {
    "models": "model",
    "model-aliases": "model_alias",
    "replicas": "replica",
    "price-books": "price_book",
    "versions": "version",
    "plans": "plan",
    "reconciliation": "run",
    "reratings": "rerating",
    "cases": "case",
    # By its place on the invoice.
    "lines": "line",
    "tax-rates": "tax_rate",
    "plan-versions": "plan_version",
}
# What belongs to a project, and so to those who are in it.
OF_PROJECT = frozenset({"project", "key", "adjustment", "request"})
# Of programs, and so of those who manage them: others see their own tokens.
OF_MANAGERS = frozenset({"token"})
# What a question must say besides.
QUERIES = {
    "read_effective_limits": "tenant={tenant}",
    "read_standing": "tenant={tenant}",
    "list_requests": "tenant={tenant}",
    "list_refusals": "tenant={tenant}",
    "explain_day": "date=2026-09-10",
    "read_wallet": "tenant={tenant}",
    "read_statement": "tenant={tenant}",
    "list_statement_lines": "tenant={tenant}",
    "read_balances": "tenant={tenant}",
}
# What operators must say: a tenant's caller asks about its own, whoever's the row.
QUERIES_OF_OPERATORS = {"retrieve_request": "tenant={tenant}"}


class Target(Enum):
    """Whose row the path names."""

    OWN = "own"
    FOREIGN = "foreign"
    NOWHERE = "nowhere"
    # The path names none.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Cell:
    """One try."""

    operation: Operation
    caller: Caller
    target: Target

    def path(self, world: World) -> str:
        """Return the address, with the ids of the target."""
        side = world.sides["b" if self.target is Target.FOREIGN else "a"]
        path = filled(
            self.operation.path, world, side, nowhere=self.target is Target.NOWHERE
        )
        queries = QUERIES | (QUERIES_OF_OPERATORS if self.caller.is_operator else {})
        return f"{path}?{queries.get(self.operation.id, '').format(**side.ids)}"

    def __str__(self) -> str:
        return f"{self.operation.id} by {self.caller.name}, {self.target.value}"


def filled(path: str, world: World, side: Side, *, nowhere: bool = False) -> str:
    """Return a path with the ids of a side's rows, or of rows that are nowhere."""

    def id_of(match: re.Match[str]) -> str:
        word = match.group(1)
        if nowhere:
            return at_number(match.group(), NOWHERE)
        if word == "requests":
            return f"{word}/{side.request_id}"
        if word in OWNED:
            return f"{word}/{side.ids[OWNED[word]]}"
        return f"{word}/{world.shared[SHARED[word]]}"

    return re.sub(r"([a-z-]+)/\{[^}]+\}", id_of, path)


def scope_needed(operation: Operation) -> Scope | None:
    """Return the scope that the view declares for an operation; None without one."""
    return _scope(operation.path, operation.method)


@cache
def _scope(path: str, method: str) -> Scope | None:
    match: Any = resolve(at_number(path, 1))
    view = getattr(match.func, "cls", None) or match.func.view_class
    action = getattr(match.func, "actions", {}).get(method, method)
    found: Scope | None = view.scopes.get(action)
    return found


def is_owned(operation: Operation) -> bool:
    """Tell whether the path names a row that one tenant owns."""
    words = re.findall(r"([a-z-]+)/\{", operation.path)
    return any(word in OWNED for word in words)


def cells(caller: Caller) -> Iterator[Cell]:
    """Yield every cell of a caller."""
    for operation in operations():
        if caller.tries not in {None, scope_needed(operation)}:
            continue
        if "{" not in operation.path:
            yield Cell(operation, caller, Target.NONE)
            continue
        yield Cell(operation, caller, Target.OWN)
        if caller.tries is not None:
            # It is there for what it holds or lacks, whoever's the row.
            continue
        yield Cell(operation, caller, Target.NOWHERE)
        if is_owned(operation):
            yield Cell(operation, caller, Target.FOREIGN)
