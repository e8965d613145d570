"""A month's files are asked for once, made by the worker, and fetched whole."""

import hashlib

import pytest
from django.test import Client

from metering.exports.models import Export
from metering.exports.services import make_exports
from metering.usage.selectors import database_now
from pages.finance.sections import SEE_FILES
from tests.pages.books.world import Books
from tests.pages.conftest import SignIn
from tests.pages.reading import tables, text

PAGE = "/finance/reports/2026-09/files/"


@pytest.fixture
def asking(sign_in: SignIn) -> Client:
    return sign_in(*SEE_FILES, "exports.add_export")


def test_files_are_made_once_and_fetched_whole(asking: Client, books: Books) -> None:
    assert "No file yet" in text(asking.get(PAGE).content)
    for _ in range(2):
        assert asking.post(PAGE).status_code == 302
    assert Export.objects.count() == 3
    rows = tables(asking.get(PAGE).content)["Files of the month"][1:]
    assert [row[1] for row in rows] == ["being made"] * 3

    assert make_exports(now=database_now()) == 3

    for made in Export.objects.all():
        answer = asking.get(f"/finance/files/{made.pk}/")
        body = answer.getvalue()
        assert hashlib.sha256(body).hexdigest() == made.sha256
        assert body.count(b"\r\n") == 1 + int(answer["X-Row-Count"])
    names = text(asking.get(PAGE).content)
    assert all(made.file_name in names for made in Export.objects.all())


def test_who_may_not_ask_is_told_and_nothing_is_asked_for(
    finance: Client, books: Books, sign_in: SignIn
) -> None:
    assert finance.get(PAGE).status_code == 403
    assert finance.post(PAGE).status_code == 403
    assert Export.objects.count() == 0


def test_a_file_that_is_not_ready_is_not_there(asking: Client, books: Books) -> None:
    asking.post(PAGE)
    waiting = Export.objects.first()
    assert waiting is not None
    assert asking.get(f"/finance/files/{waiting.pk}/").status_code == 404
    assert asking.get("/finance/files/999/").status_code == 404
    assert asking.get("/finance/reports/2026-13/files/").status_code == 404
