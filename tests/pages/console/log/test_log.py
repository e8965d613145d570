"""The request log in the console: what it shows to whom, its file and its filters."""

import csv
import datetime as dt
import io
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.contracts import EventStatus
from kit.handling import Handling, Keyed
from kit.orm.roles import APP, as_operator
from metering.usage import request_log
from pages.access import LIVE_POLICY
from pages.console.log import pages
from tenants.models import Member, ProjectMember
from tests.factories.accounts import sign_in
from tests.factories.pricing import make_price
from tests.factories.tenants import make_member, make_project, make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")
NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def used(member: Member, count: int, **changes: Any) -> tuple[Use, list[str]]:
    """Commit requests of the member's tenant; return their ids, newest first."""
    use = make_use(price=make_price(), admitted_at=NOON, tenant=member.tenant)
    uses = [
        replace(use, admitted_at=NOON + number * SECOND, **changes)
        for number in range(count)
    ]
    events = commit(make_epoch(started_at=NOON), *uses)
    return use, [str(event.request_id) for event in reversed(events)]


def at(member: Member, query: str = "") -> str:
    """Return the log's address."""
    return f"/console/{member.tenant.slug}/requests/{query}"


def browser(member: Member) -> Client:
    """Return the browser of a member who has signed in."""
    return sign_in(Client(), member.user)


def rows(answer: Any) -> list[dict[str, str]]:
    """Return a file's rows."""
    content = b"".join(answer) if answer.streaming else answer.content
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_page_says_when_in_the_tenants_zone_and_leads_to_receipts() -> None:
    member = make_member(tenant=make_tenant(zone="Asia/Kolkata"))
    _, (newest, oldest) = used(member, 2)

    answer = browser(member).get(at(member))
    page = answer.content.decode()

    assert answer.status_code == 200
    assert answer["Content-Security-Policy"] == LIVE_POLICY
    assert "2026-11-10 17:30:01.000" in page
    assert page.index(newest) < page.index(oldest)
    assert f'href="{at(member)}{newest}/"' in page
    assert "Requests 2 all that were asked for" in text(answer.content)


def test_pages_go_on_and_the_file_is_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    member = make_member()
    _, ids = used(member, 5)
    monkeypatch.setattr(pages, "ROWS_PER_PAGE", 2)
    monkeypatch.setattr(pages, "_READ_AT_ONCE", 2)
    person = browser(member)

    second = person.get(at(member, f"?before={ids[1]}")).content.decode()
    assert [each for each in ids if each in second] == ids[1:5] or ids[2] in second
    assert f"before={ids[3]}" in second
    file = person.get(at(member, f"?before={ids[1]}&file=requests"))

    assert [row["id"] for row in rows(file)] == ids
    assert file["Content-Disposition"].endswith(f'{member.tenant.slug}.csv"')


def test_the_file_says_what_was_done_for_each() -> None:
    member = make_member()
    used(member, 1, handling=Handling(2, 200, 64, Keyed.RETRY))
    person = browser(member)

    (row,) = rows(person.get(at(member, "?file=requests")))
    page = text(person.get(at(member)).content)

    assert (row["attempts"], row["idempotency_key"]) == ("2", "retry")
    assert (row["held_input"], row["held_output"]) == ("200", "64")
    assert "Attempts" not in page
    assert "Held input" not in page


def test_what_narrows_it() -> None:
    member = make_member(tenant=make_tenant(zone="Asia/Kolkata"))
    use, ids = used(member, 3)
    gone = replace(
        use,
        admitted_at=NOON - SECOND,
        status=EventStatus.CLIENT_GONE,
        duration_us=9_000_000,
    )
    (event,) = commit(make_epoch(started_at=NOON), gone)
    person = browser(member)
    for query, expected in (
        ("?status=client_gone", [str(event.request_id)]),
        (f"?id=chatcmpl-{ids[1]}", [ids[1]]),
        ("?from=2026-11-10T17:30:02", ids[:1]),
        ("?to=2026-11-10T17:30:00", [str(event.request_id)]),
        ("?slower=8000", [str(event.request_id)]),
        ("?min=0.5", []),
        ("?min=0.000001", [*ids, str(event.request_id)]),
        (f"?key={use.api_key_id}&project={use.project_id}&status=ok", ids),
    ):
        file = person.get(at(member, f"{query}&file=requests"))
        assert [row["id"] for row in rows(file)] == expected, query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?id=17", "Give an id as answers have it"),
        ("?from=noon", "Give an instant such as"),
        ("?from=2026-11-10T12:00&to=2026-11-10T12:00", "ends before it begins"),
        ("?min=-1", "Give an amount such as"),
        ("?status=fine", "Select a valid choice"),
        ("?slower=x", "Write a whole number"),
        ("?before=17", "Give the id of a request"),
        ("?live=maybe", "&#x27;live&#x27; is one of yes"),
        ("?project=999999", "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_said(query: str, said: str) -> None:
    member = make_member()
    answer = browser(member).get(at(member, query))
    assert answer.status_code == 400
    assert said in answer.content.decode()


def test_huge_numbers_are_no_error() -> None:
    member = make_member()
    person = browser(member)
    assert person.get(at(member, f"?min={'9' * 15}")).status_code == 200
    assert person.get(at(member, f"?key={'9' * 40}")).status_code == 400


def test_a_developer_sees_the_projects_they_are_in() -> None:
    member = make_member(role="developer")
    _, ids = used(member, 1)
    own = make_project(tenant=member.tenant)
    with as_operator():
        ProjectMember.objects.create(tenant=member.tenant, member=member, project=own)
    person = browser(member)
    page = person.get(at(member)).content.decode()
    assert ids[0] not in page
    assert "No request has ended yet" in page
    assert person.get(at(member, f"{ids[0]}/")).status_code == 404


@pytest.mark.parametrize("role", ["billing", "viewer"])
def test_who_may_not_see_keys_sees_no_keys_names(role: str) -> None:
    member = make_member(role=role)
    use, ids = used(member, 1)
    with as_operator():
        key = member.tenant.api_keys.get(pk=use.api_key_id)
    person = browser(member)
    for page in ("", f"{ids[0]}/"):
        body = person.get(at(member, page)).content.decode()
        assert ids[0] in body
        assert key.shown not in body


def test_a_file_of_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member()
    used(member, 3)
    person = browser(member)
    monkeypatch.setattr(pages, "FILE_ROWS_MAX", 2)
    refused = person.get(at(member, "?file=requests"))
    assert refused.status_code == 400
    assert "choose a shorter range" in refused.content.decode()

    monkeypatch.setattr(pages, "FILE_ROWS_MAX", 99)
    monkeypatch.setattr(pages, "FILE_PAGES_MAX", 2)
    monkeypatch.setattr(request_log, "SCANNED_MAX", 1)
    assert person.get(at(member, "?status=drained&file=requests")).status_code == 400


def test_the_tiles_say_of_how_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member()
    use, _ = used(member, 3)
    failed = replace(
        use, admitted_at=NOON + 9 * SECOND, status=EventStatus.ENGINE_ERROR
    )
    commit(make_epoch(started_at=NOON), failed)
    person = browser(member)
    said = text(person.get(at(member)).content)
    assert "Not ended well 25.0 %" in said
    assert "First token, median 1.0 ms" in said

    monkeypatch.setattr(request_log, "SCANNED_MAX", 2)
    said = text(person.get(at(member)).content)
    assert "Requests 2 of the newest" in said


def test_a_page_asks_as_much_for_many_requests_as_for_one() -> None:
    member = make_member()
    person = browser(member)
    counts = []
    for more in (1, 30):
        used(member, more)
        with CaptureQueriesContext(connections[APP]) as queries:
            assert person.get(at(member)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] < 25
