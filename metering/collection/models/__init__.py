"""What is kept of a provider beside invoices; one file a subject."""

from metering.collection.models.purchases import Purchase

__all__ = ("Purchase",)
