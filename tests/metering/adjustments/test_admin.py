"""Operators' pages: say first what would change, do it once that is confirmed."""

import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from metering.adjustments.models import Adjustment, Rerating
from metering.usage.corrections import Request
from tests.admin import page, signed_in, submit, words
from tests.factories.billing import STARTED
from tests.factories.jobs import finish_jobs
from tests.metering.adjustments.scene import (
    DAY,
    NOW,
    a_use,
    charged,
    requested,
    scope_of,
)

ADJUSTMENT, RERATING = "adjustments_adjustment", "adjustments_rerating"


@pytest.fixture
def client(operator_db: None) -> Client:
    """Provide a signed-in superuser."""
    return signed_in()


def wanting(request: Request, **changes: Any) -> dict[str, Any]:
    return {
        "request_id": str(request.request_id),
        "kind": "void",
        "reason": "ours",
        "reference": "ticket",
        **changes,
    }


def again(client: Client, address: str, values: dict[str, Any], shown: Any) -> Any:
    """Save a second time, with the seal that the page gave."""
    found = re.search(r'name="previewed" value="([^"]+)"', shown.content.decode())
    assert found, shown.content.decode()[:500]
    return client.post(address, {**values, "previewed": found.group(1)})


def test_first_save_previews_and_second_voids(client: Client) -> None:
    (request,) = requested(a_use())
    address, values = page(ADJUSTMENT, "add"), wanting(request)

    first = submit(client, address, values)

    said = words(first.content)
    assert "Would stand: 0 input, 0 cached, 0 output tokens for 0.00 USD." in said
    assert "save again to do this" in said
    assert "Please correct the error" not in said
    assert not Adjustment.objects.exists()

    assert again(client, address, values, first).status_code == 302
    row = Adjustment.objects.get()
    assert (row.kind, charged(request), row.actor_kind) == ("void", 0, "operator")
    shown = words(client.get(page(ADJUSTMENT, "change", row.pk)).content)
    assert "ours" in shown
    listed = client.get(f"{page(ADJUSTMENT, 'changelist')}?q={request.request_id}")
    assert "ticket" in words(listed.content)


def test_what_changed_since_the_preview_is_said_anew(client: Client) -> None:
    (request,) = requested(a_use())
    address = page(ADJUSTMENT, "add")
    first = submit(client, address, wanting(request))
    other = wanting(request, kind="correct", output_tokens="7")
    second = again(client, address, other, first)
    assert "7 output tokens" in words(second.content)
    assert not Adjustment.objects.exists()
    assert again(client, address, other, second).status_code == 302
    assert Adjustment.objects.get().after["output_tokens"] == 7


def test_request_that_is_not_there_is_said(client: Client) -> None:
    (request,) = requested(a_use())
    nowhere = "01989f3a-6c00-7d3e-9b57-3f6f2a9f0c11"
    shown = submit(
        client, page(ADJUSTMENT, "add"), wanting(request, request_id=nowhere)
    )
    said = words(shown.content)
    assert "There is no request" in said
    assert "Please correct the error" in said


def test_adjustments_cannot_be_changed(client: Client) -> None:
    (request,) = requested(a_use())
    address, values = page(ADJUSTMENT, "add"), wanting(request)
    again(client, address, values, submit(client, address, values))
    row = Adjustment.objects.get()
    changed = client.post(page(ADJUSTMENT, "change", row.pk), {"reason": "other"})
    assert changed.status_code == 403
    assert client.post(page(ADJUSTMENT, "delete", row.pk)).status_code == 403


def test_rerating_is_previewed_confirmed_and_followed(client: Client) -> None:
    use = a_use()
    (request, _) = requested(use, replace(use, admitted_at=STARTED + DAY / 2))
    scope, before = scope_of(use), charged(request)
    address = page(RERATING, "add")
    values = {
        "book": str(scope.book.pk),
        "model": scope.model,
        "tenant": "",
        "starts_at_0": "2026-09-01",
        "starts_at_1": "00:00:00",
        "ends_at_0": "2026-09-03",
        "ends_at_1": "00:00:00",
        "input_per_million": "3",
        "cached_input_per_million": "0.3",
        "output_per_million": "15",
        "reason": "a digit too many",
        "reference": "ticket",
    }
    first = client.post(address, values)
    assert "2 requests of 1 tenants" in words(first.content)
    assert not Rerating.objects.exists()

    assert again(client, address, values, first).status_code == 302

    row = Rerating.objects.get()
    running = words(client.get(page(RERATING, "change", row.pk)).content)
    assert "input 3" in running
    finish_jobs(now=NOW)
    assert charged(request) * 10 == before
    done = words(client.get(page(RERATING, "change", row.pk)).content)
    assert "a digit too many" in done
    assert client.get(page(RERATING, "changelist")).status_code == 200
