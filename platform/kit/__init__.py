"""Shared primitives: no application is imported here."""
