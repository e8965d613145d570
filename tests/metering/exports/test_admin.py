"""Operators ask for files, and fetch them as they were made."""

import hashlib
from typing import Any

import pytest
from django.test import Client

from kit.drf.files import digest
from metering.exports import services
from metering.exports.models import Export
from metering.usage.selectors import database_now
from tests.admin import page, signed_in, words

EXPORTS = "exports_export"


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


def wanting(**changes: str) -> dict[str, str]:
    return {
        "subject": "usage",
        "form": "csv",
        "tenant": "",
        "first_date": "2026-09-01",
        "end_date": "2026-10-01",
        **changes,
    }


def test_a_file_is_asked_for_made_and_fetched(admin: Client) -> None:
    asked = admin.post(page(EXPORTS, "add"), wanting())
    row = Export.objects.get()
    assert asked["Location"] == page(EXPORTS, "change", row.pk)
    early = admin.get(page(EXPORTS, "file", row.pk), follow=True)
    assert "is being made" in words(early.content)

    services.make_exports(now=database_now())
    row.refresh_from_db()
    assert row.file_name in words(admin.get(asked["Location"]).content)
    file: Any = admin.get(page(EXPORTS, "file", row.pk))
    content = b"".join(file.streaming_content)
    assert hashlib.sha256(content).hexdigest() == row.sha256
    assert file["Repr-Digest"] == digest(row.sha256)
    assert int(file["Content-Length"]) == len(content)


def test_dates_that_make_no_sense_are_refused(admin: Client) -> None:
    backwards = wanting(end_date="2026-08-01")
    answer = admin.post(page(EXPORTS, "add"), backwards, follow=True)
    assert "must lie after" in words(answer.content)
    assert not Export.objects.exists()


def test_what_was_asked_for_stays(admin: Client) -> None:
    admin.post(page(EXPORTS, "add"), wanting())
    row = Export.objects.get()
    address = page(EXPORTS, "change", row.pk)
    assert admin.post(address, wanting(form="focus")).status_code == 403
    assert admin.get(page(EXPORTS, "file", row.pk + 1)).status_code == 404
