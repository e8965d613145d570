"""Callers of the management API: one holds the operator token, one does not."""

import pytest
from django.conf import settings
from django.test import Client


@pytest.fixture
def operator(operator_db: None) -> Client:
    """Provide a client that sends the operator token."""
    token = f"Bearer {settings.OPERATOR_TOKEN}"
    return Client(headers={"Authorization": token}, raise_request_exception=False)


@pytest.fixture
def stranger(operator_db: None) -> Client:
    """Provide a client that sends no token."""
    return Client()
