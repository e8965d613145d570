"""A registry of handlers of each test's own."""

import pytest

from metering.inbox import handlers


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register handlers that are gone after it, among no others."""
    monkeypatch.setattr(handlers, "_handlers", [])
