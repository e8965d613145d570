"""The steps of an invoice's way through Stripe, each safe to repeat.

A step reads back, adopts what is there, and only then makes a call of its own through
the outbox. Owns: an invoice's reference and page.
"""

import datetime as dt

from django.conf import settings

from kit.orm.atomic import atomic
from metering.billing import operations, outbox
from metering.billing.models import Invoice
from metering.billing.operations import Call
from metering.billing.providers import base
from metering.billing.providers.stripe import comparison, computed, mapping
from metering.billing.providers.stripe.client import RemoteInvoice, StripeAccount
from metering.billing.providers.stripe.comparison import Differs
from metering.billing.providers.stripe.customers import (
    PROVIDER,
    customer_of,
    has_default_method,
)
from metering.billing.providers.stripe.mapping import DraftLine
from metering.billing.taxing import is_automatic


class Steps:
    """One run for one invoice."""

    def __init__(
        self, account: StripeAccount, invoice: Invoice, *, now: dt.datetime
    ) -> None:
        self._client = account
        self._invoices = account.invoices
        self._account = invoice.provider_account
        self._invoice = invoice
        self._now = now
        self._is_new = False

    def customer(self) -> str:
        """Return the tenant's customer; there are never two of them."""
        return customer_of(
            self._client,
            account=self._account,
            tenant=self._invoice.tenant,
            now=self._now,
        )

    def draft(self, customer: str) -> RemoteInvoice:
        """Return Stripe's side of the invoice: known, found, or drafted now."""
        reference = self._invoice.provider_reference
        known = self._invoices.read(reference) if reference else None
        if known is not None:
            return known
        call = self._call("draft", str(self._invoice.public_id))
        if reference:
            # Deleting a draft at Stripe is how people ask for a new one.
            outbox.drop(self._invoice, about=reference, now=self._now)
        elif self._is_first(call):
            return self._drafted(call, customer)
        found = self._own_invoices(customer)
        if len(found) > 1:
            raise Differs(f"it has {len(found)} invoices for this one")
        if found:
            with atomic():
                self._adopt(call, self._keep_reference(found[0]))
            return found[0]
        return self._drafted(call, customer)

    def verified(self, remote: RemoteInvoice, customer: str) -> RemoteInvoice:
        """Pin our lines to the draft and read all of it back.

        Raises `Differs` unless it equals our invoice, line by line.
        """
        invoice = self._invoice
        _demand(comparison.header_difference(invoice, remote, customer=customer))
        expected = mapping.draft_lines(invoice, list(invoice.lines.all()))
        remote = self._pinned(remote, expected)
        lines = self._invoices.lines(remote.reference)
        _demand(comparison.lines_difference(expected, lines, currency=invoice.currency))
        if is_automatic(invoice):
            computed.take_over(self._client, invoice, remote)
        _demand(comparison.total_difference(invoice, remote))
        return remote

    def numbered(self, remote: RemoteInvoice) -> RemoteInvoice:
        """Give the draft the number that the invoice has with us.

        Raises `Differs` when its total is not ours any more.
        """
        number = self._invoice.number or ""
        reference = remote.reference
        call = self._call("number", reference)
        if remote.number == number:
            self._adopt(call, reference)
        else:
            remote = operations.perform(
                call,
                send=lambda key: self._invoices.set_number(reference, number, key=key),
                record=lambda answer: answer.reference,
                now=self._now,
            )
        _demand(comparison.total_difference(self._invoice, remote))
        return remote

    def finalised(self, remote: RemoteInvoice) -> RemoteInvoice:
        """Freeze the draft and open it to its payer."""
        return operations.perform(
            self._call("finalise", remote.reference),
            send=lambda key: self._invoices.finalise(remote.reference, key=key),
            record=lambda answer: answer.reference,
            now=self._now,
        )

    def finish(self, remote: RemoteInvoice) -> None:
        """Keep the page of the finalised invoice; with it the work is done.

        Raises `Differs` when Stripe opened something that is not our invoice.
        """
        invoice = self._invoice
        if invoice.number is None:
            raise Differs(f"it is {remote.status} there and was never issued here")
        if remote.number != invoice.number:
            raise Differs(f"it is {remote.status} there as {remote.number}")
        _demand(comparison.total_difference(invoice, remote))
        carried_minor = mapping.in_our_unit(remote.carried_minor, invoice.currency)
        with atomic():
            base.remember_page(invoice, remote.hosted_url, carried_minor=carried_minor)
            self._adopt(self._call("finalise", remote.reference), remote.reference)

    def _is_first(self, call: Call) -> bool:
        """Tell whether nothing of this invoice can be there yet."""
        return not operations.attempted(call) and operations.first_key_protects(
            since=self._invoice.created_at, now=self._now
        )

    def _drafted(self, call: Call, customer: str) -> RemoteInvoice:
        params = mapping.draft_params(
            self._invoice,
            customer=customer,
            days_until_due=settings.INVOICE_DAYS_UNTIL_DUE,
            is_charged=has_default_method(
                account=self._account, tenant=self._invoice.tenant
            ),
        )
        remote = operations.perform(
            call,
            send=lambda key: self._invoices.create(params, key=key),
            record=self._keep_reference,
            now=self._now,
        )
        self._is_new = True
        return remote

    def _pinned(
        self, remote: RemoteInvoice, expected: tuple[DraftLine, ...]
    ) -> RemoteInvoice:
        """Put the lines on the draft that are not there; return how it is then."""
        reference = remote.reference
        # On a draft of a moment ago there is nothing to look for.
        there = [] if self._is_new else self._invoices.lines(reference)
        present = {line.metadata.get(mapping.LINE_MARK) for line in there}
        for index, batch in enumerate(mapping.batches(expected)):
            call = self._call("lines", f"{reference}/{index}")
            missing = [line.params() for line in batch if line.mark not in present]
            if not missing:
                self._adopt(call, reference)
            # Lines that went missing after they had arrived are a difference, not a
            # gap.
            elif not operations.succeeded(call):
                remote = self._send_lines(call, reference, missing)
        return remote

    def _send_lines(
        self, call: Call, reference: str, lines: list[dict[str, object]]
    ) -> RemoteInvoice:
        return operations.perform(
            call,
            send=lambda key: self._invoices.add_lines(reference, lines, key=key),
            record=lambda _: reference,
            now=self._now,
        )

    def _own_invoices(self, customer: str) -> list[RemoteInvoice]:
        mark = str(self._invoice.public_id)
        return [
            remote
            for remote in self._invoices.of_customer(customer)
            if remote.metadata.get(mapping.INVOICE_MARK) == mark
        ]

    def _call(self, name: str, subject: str) -> Call:
        invoice = self._invoice
        return Call(PROVIDER, self._account, name, subject, invoice.tenant_id, invoice)

    def _adopt(self, call: Call, reference: str) -> None:
        operations.adopt(call, reference=reference, now=self._now)

    def _keep_reference(self, remote: RemoteInvoice) -> str:
        base.remember_reference(self._invoice, remote.reference)
        return remote.reference


def _demand(difference: str) -> None:
    if difference:
        raise Differs(difference)
