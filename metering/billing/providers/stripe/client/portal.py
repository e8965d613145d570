"""Stripe's page on which a customer sees its invoices and looks after its cards."""

from metering.billing.providers.stripe.client.transport import (
    Subject,
    two_kinds_of_failure,
)


class Portal(Subject):
    """Calls about links to that page."""

    @two_kinds_of_failure
    def create(self, customer: str, *, return_url: str, key: str) -> str:
        """Return a link for a customer; whoever has it is let in, for minutes."""
        made = self._v1.billing_portal.sessions.create(
            {"customer": customer, "return_url": return_url}, {"idempotency_key": key}
        )
        return made.url
