"""What customers pay with: cards and the like, as far as people recognise them."""

from dataclasses import dataclass

import stripe

from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    id_of,
    two_kinds_of_failure,
)


@dataclass(frozen=True, slots=True)
class RemoteMethod:
    """A payment method as Stripe has it; of a bank account `brand` is the bank."""

    reference: str
    customer: str
    kind: str
    brand: str
    last4: str
    exp_month: int | None
    exp_year: int | None


class Methods(Subject):
    """Calls about payment methods."""

    @two_kinds_of_failure
    def of_customer(self, customer: str) -> list[RemoteMethod]:
        """Return what a customer can pay with."""
        listed = self._v1.customers.payment_methods.list(customer, {"limit": PAGE_ROWS})
        return [_method(row) for row in listed.auto_paging_iter()]

    @two_kinds_of_failure
    def default_of(self, customer: str) -> str:
        """Return what a customer pays with unless told otherwise, or nothing."""
        row = self._v1.customers.retrieve(customer)
        chosen = getattr(row, "invoice_settings", None)
        return id_of(chosen.default_payment_method) if chosen else ""

    @two_kinds_of_failure
    def owner_of(self, reference: str) -> str:
        """Return whose payment method it is, or nothing once it is nobody's."""
        return id_of(self._v1.payment_methods.retrieve(reference).customer)

    @two_kinds_of_failure
    def set_default(self, customer: str, reference: str, *, key: str) -> str:
        """Let a customer pay with this from now on."""
        row = self._v1.customers.update(
            customer,
            {"invoice_settings": {"default_payment_method": reference}},
            {"idempotency_key": key},
        )
        return row.id


def _method(row: stripe.PaymentMethod) -> RemoteMethod:
    # Each type has an object of its own, named as the type is.
    detail = getattr(row, row.type, None)
    brand = (
        getattr(detail, "brand", None)
        or getattr(detail, "bank_name", None)
        or getattr(detail, "bank_code", None)
        or ""
    )
    return RemoteMethod(
        reference=row.id,
        customer=id_of(row.customer),
        kind=row.type,
        brand=str(brand),
        last4=str(getattr(detail, "last4", None) or ""),
        exp_month=getattr(detail, "exp_month", None),
        exp_year=getattr(detail, "exp_year", None),
    )
