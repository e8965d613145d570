"""Exports, called as the document says."""

from typing import Any

import pytest
from django.test import Client

from metering.exports import services
from metering.usage.selectors import database_now
from tests.api.calling import Caller, taken


def call_exports(call: Caller, tenant: int) -> None:
    """Ask for a file, see it made, and fetch it."""
    row = call("create_export", tenant=tenant)["id"]
    services.make_exports(now=database_now())
    assert call("list_exports", query=f"tenant={tenant}&state=ready")["data"]
    size = call("retrieve_export", row)["byte_count"]
    assert len(call("download_export", row)) == size


def refused_exports(operator: Client, tenant: int) -> dict[str, Any]:
    """Ask for more files than are made, and fetch one that is not there yet."""
    row = taken(operator, "create_export", tenant=tenant).json()["id"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "WAITING_MAX", 1)
        made = taken(operator, "create_export", tenant=tenant)
    return {
        "create_export": made,
        "download_export": taken(operator, "download_export", row),
    }
