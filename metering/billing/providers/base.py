"""What a billing provider is, and what every provider may write on an invoice.

A provider drives one invoice as far as it can go now. It calls `services.issue_invoice`
at the one moment when nothing but the number is missing, and holds the invoice as a
draft, with a problem that people can read, when it must not go on.
"""

import datetime as dt
from enum import StrEnum
from typing import Protocol

from metering.billing.models import Invoice

_PROBLEM_CHARS_MAX = 500


class Progress(StrEnum):
    """How far an invoice got."""

    FINISHED = "finished"
    # A person must look at its problem.
    HELD = "held"
    # No answer, or a wait between two attempts.
    DELAYED = "delayed"
    # Another process is at it.
    TAKEN = "taken"


class BillingProvider(Protocol):
    """One way of issuing invoices."""

    @property
    def name(self) -> str:
        """Return the name that invoices keep."""
        ...

    @property
    def at_once(self) -> int:
        """Return how many invoices are advanced at once: more than one, in threads."""
        ...

    def advance(self, invoice: Invoice, *, now: dt.datetime) -> Progress:
        """Take the invoice as far as it can go now.

        Idempotent, resumable after a crash at any point, and safe beside itself. It
        ends with an invoice that is finished, or one to be advanced again; `problem`
        says what a person must look at. Never raises for what a provider or a network
        does. Must run outside a transaction, and leaves `invoice` as the database has
        it.
        """
        ...


def finished(invoice: Invoice) -> bool:
    """Tell whether the provider's work is done: numbered, and open to its payer."""
    return invoice.number is not None and bool(invoice.hosted_url)


def refusal(invoice: Invoice) -> str:
    """Return why no provider may issue this invoice, or nothing."""
    if invoice.amount_minor < 0:
        return "The total is negative: it takes a credit note, not an invoice."
    return ""


def hold(invoice: Invoice, problem: str) -> None:
    """Keep the invoice where it is and say why; no reason lets it go on."""
    problem = problem[:_PROBLEM_CHARS_MAX]
    if invoice.problem != problem:
        invoice.problem = problem
        invoice.save(update_fields=["problem"])


def remember_reference(invoice: Invoice, reference: str) -> None:
    """Keep which of the provider's objects is this invoice."""
    invoice.provider_reference = reference
    invoice.save(update_fields=["provider_reference"])


def remember_page(invoice: Invoice, url: str, *, carried_minor: int = 0) -> None:
    """Keep where the payer sees the invoice: with it the provider's work is done.

    `carried_minor` of it is too little to be asked for, and comes with a later one.
    """
    invoice.hosted_url = url
    invoice.carried_minor = carried_minor
    invoice.save(update_fields=["hosted_url", "carried_minor"])
