"""Two at once about one mail: the later sees what the earlier wrote."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from tenants.audit import forgetting
from tenants.mails import sending
from tenants.mails.letter import Letter
from tenants.mails.sending import Composed
from tenants.models import Mail
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
KIND = Mail.Kind.INVOICE
A, B = "a@x.example", "b@x.example"


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Mail:
    """Provide a mail that failed."""
    letter = Letter(subject="5.00 EUR", headline="5.00 EUR", paragraphs=())
    composers = {KIND.value: lambda _: Composed(letter, (A, B))}
    monkeypatch.setattr(sending, "_composers", composers)
    with as_operator():
        return Mail.objects.create(
            tenant=make_tenant(),
            kind=KIND,
            subject_id=7,
            refused=[A, B],
            state="failed",
        )


def test_of_two_who_send_again_the_later_is_told_that_it_waits(row: Mail) -> None:
    with ThreadPoolExecutor(2) as threads:
        with as_operator(), atomic():
            Mail.objects.select_for_update().get()
            again = [
                threads.submit(
                    as_another_operator,
                    lambda: sending.send_again(mail=row, now=NOW),
                )
                for _ in range(2)
            ]
            wait_until_blocked(2)
        ended = [each.result() for each in again]
    assert [type(each) for each in ended if each] == [Conflict]
    with as_operator():
        assert Mail.objects.count() == 2
    connections.close_all()


def test_forgetting_one_reader_loses_no_other_who_is_reached_meanwhile(
    row: Mail,
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with as_operator(), atomic():
            rows = Mail.objects.filter(pk=row.pk)
            rows.select_for_update().get()
            forgets = threads.submit(
                as_another_operator,
                lambda: forgetting.forget_person(email=B, now=NOW),
            )
            wait_until_blocked()
            sending._note(rows, A)
        assert forgets.result() is None
    with as_operator():
        row.refresh_from_db()
    assert (row.addresses, row.refused) == ([A], [])
    connections.close_all()
