"""Servers of our own that stand in for services a test may not call."""
