"""Invoices through Stripe: the only package that knows its SDK."""
