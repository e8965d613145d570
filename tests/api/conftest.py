"""Callers of the management API: the installation's token, none, and any of a row.

`operator` and `stranger` call inside one transaction that is rolled back. `caller`
makes clients of any role on a committed database: a tenant's requests run on another
connection than an operator's, and must see what it wrote.
"""

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import Client

from tests.databases import Database

if TYPE_CHECKING:
    from tests.api.callers import Callers


@pytest.fixture(autouse=True)
def nobody_has_asked() -> None:
    """Forget how often tokens asked: those of other databases have the same ids."""
    caches["throttles"].clear()


@pytest.fixture
def operator(operator_db: None) -> Client:
    """Provide a client that sends the operator token."""
    token = f"Bearer {settings.OPERATOR_TOKEN}"
    return Client(headers={"Authorization": token}, raise_request_exception=False)


@pytest.fixture
def stranger(operator_db: None) -> Client:
    """Provide a client that sends no token."""
    return Client()


@pytest.fixture
def caller(fresh_database: Database) -> "Callers":
    """Provide a maker of clients by role: `caller(role="viewer", tenant=tenant)`."""
    # Models can be imported once the settings are there, which is after this file.
    from tests.api.callers import Callers  # noqa: PLC0415

    return Callers()
