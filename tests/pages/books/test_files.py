"""A month's files are asked for once, made by the worker, and fetched whole."""

import csv
import datetime as dt
import hashlib
import io

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.orm.roles import OPERATOR
from metering.exports.models import Export
from metering.exports.services import make_exports
from metering.usage.selectors import database_now
from pages.finance.sections import SEE_FILES
from tests.pages.books.world import Books
from tests.pages.conftest import SignIn
from tests.pages.reading import tables, text

PAGE = "/finance/reports/2026-09/files/"
FILES = "Files of the month"


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


def test_however_many_files_there_are_they_are_paged_and_leave_as_one(
    asking: Client, books: Books
) -> None:
    def make(count: int) -> int:
        """Add so many files that have expired; return how many statements it takes."""
        Export.objects.bulk_create(
            Export(
                subject="usage",
                form="csv",
                first_date=dt.date(2026, 9, 1),
                end_date=dt.date(2026, 10, 1),
                state=Export.State.EXPIRED,
            )
            for _ in range(count)
        )
        with CaptureQueriesContext(connections[OPERATOR]) as made:
            assert asking.get(PAGE).status_code == 200
        return len(made)

    few, many = make(51), make(200)
    assert few == many

    first = tables(asking.get(PAGE).content)[FILES][1:]
    last = tables(asking.get(f"{PAGE}?page=6").content)[FILES][1:]
    oldest = Export.objects.earliest("pk")
    assert len(first) == 50
    assert [row[0] for row in last] == [oldest.file_name]
    assert "251" in text(asking.get(PAGE).content)
    answer = asking.get(f"{PAGE}?file=files")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert len(rows) == 251
    assert rows[-1]["name"] == oldest.file_name


def test_one_that_is_being_made_counts_however_many_came_after(
    asking: Client, books: Books
) -> None:
    asking.post(PAGE)
    waiting = Export.objects.order_by("pk").first()
    assert waiting is not None
    Export.objects.exclude(pk=waiting.pk).update(state=Export.State.EXPIRED)
    Export.objects.bulk_create(
        Export(
            subject=waiting.subject,
            form=waiting.form,
            first_date=waiting.first_date,
            end_date=waiting.end_date,
            state=Export.State.EXPIRED,
        )
        for _ in range(201)
    )
    assert "They are being made." in text(asking.get(PAGE).content)
    asking.post(PAGE)
    assert Export.objects.filter(state=Export.State.WAITING).count() == 3
