"""Tenants that share a busy model, on several gateway processes."""
