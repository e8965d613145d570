"""The routes that the stand-in serves, each with the parameters it takes."""

from tests.standins.stripe import events
from tests.standins.stripe.hooks import routes as hook_routes
from tests.standins.stripe.routes import Route, RouteTable
from tests.standins.stripe.world import (
    balances,
    charges,
    collecting,
    customers,
    disputes,
    finalising,
    funds,
    intents,
    invoice_payments,
    invoices,
    items,
    methods,
    refunds,
)

_SUBJECTS = (
    events,
    hook_routes,
    balances,
    charges,
    collecting,
    customers,
    disputes,
    finalising,
    funds,
    intents,
    invoice_payments,
    invoices,
    items,
    methods,
    refunds,
)
ROUTES: tuple[Route, ...] = tuple(
    route for subject in _SUBJECTS for route in subject.ROUTES
)
TABLE = RouteTable(ROUTES)
