"""The routes that the stand-in serves, each with the parameters it takes."""

from tests.standins.stripe import events
from tests.standins.stripe.hooks import routes as hook_routes
from tests.standins.stripe.routes import Route, RouteTable
from tests.standins.stripe.world import (
    balances,
    charges,
    checkout,
    collecting,
    credit_notes,
    customers,
    disputes,
    finalising,
    funds,
    intents,
    invoice_payments,
    invoices,
    items,
    meter_reports,
    meters,
    methods,
    portal,
    refunds,
    setup_intents,
    tax_calculations,
    tax_ids,
    tax_rates,
)

_SUBJECTS = (
    events,
    hook_routes,
    balances,
    charges,
    checkout,
    collecting,
    credit_notes,
    customers,
    disputes,
    finalising,
    funds,
    intents,
    invoice_payments,
    invoices,
    items,
    meter_reports,
    meters,
    methods,
    portal,
    refunds,
    setup_intents,
    tax_calculations,
    tax_ids,
    tax_rates,
)
ROUTES: tuple[Route, ...] = tuple(
    route for subject in _SUBJECTS for route in subject.ROUTES
)
TABLE = RouteTable(ROUTES)
