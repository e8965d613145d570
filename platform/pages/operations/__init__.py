"""Operators' pages that take more than one app: what needs them, what runs now."""
