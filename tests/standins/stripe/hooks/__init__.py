"""Webhooks of the stand-in: who gets them, how they are sent, and what goes wrong."""
