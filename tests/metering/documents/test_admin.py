"""Operators fetch documents as they were sent, and see which cannot be made."""

import hashlib

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.orm.roles import OPERATOR
from metering.documents import services
from metering.documents.models import Document
from tests.admin import page, signed_in, words
from tests.factories.billing import CLOSED
from tests.factories.receivables import make_invoice

DOCUMENTS = "documents_document"


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


def test_documents_are_fetched_to_the_byte(admin: Client) -> None:
    invoice = make_invoice()
    services.make_documents(now=CLOSED)
    row = Document.objects.get(subject_id=invoice.pk)
    shown = words(admin.get(page(DOCUMENTS, "change", row.pk)).content)
    assert row.pdf_sha256 in shown
    for form, sha256 in (("pdf", row.pdf_sha256), ("html", row.html_sha256)):
        file = admin.get(page(DOCUMENTS, form, row.pk))
        assert hashlib.sha256(file.content).hexdigest() == sha256
        assert f"{row.number}.{form}" in file["Content-Disposition"]
    assert admin.get(page(DOCUMENTS, "pdf", row.pk + 1)).status_code == 404


def test_a_list_reads_no_bytes_of_documents(admin: Client) -> None:
    make_invoice()
    services.make_documents(now=CLOSED)
    with CaptureQueriesContext(connections[OPERATOR]) as made:
        listed = admin.get(page(DOCUMENTS, "changelist"))
    assert "PDF" in words(listed.content)
    assert not any('"documents_document"."pdf",' in each["sql"] for each in made)
