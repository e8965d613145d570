"""The console's usage page: the API's figures, by any pair, in any range, as a link."""

import csv
import datetime as dt
import io
from dataclasses import replace
from itertools import permutations
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.contracts import TokenCounts
from kit.orm.roles import APP, as_operator
from metering.usage.selectors import database_now
from metering.usage.services import cover, roll_up
from pages.console.usage.choice import By
from tenants.models import ApiKey, Member
from tests.factories.accounts import sign_in
from tests.factories.pricing import make_price
from tests.factories.tenants import make_member, make_tenant, make_token
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")

NOON = dt.datetime(2026, 10, 24, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
# Clocks change in Berlin on the 25th.
RANGE = {"from": "2026-10-22T00:00", "until": "2026-10-27T00:00"}
SAME_RANGE = {"start": "2026-10-22", "end": "2026-10-27"}


@pytest.fixture
def owner() -> Member:
    """Provide an owner of a tenant with three keys, two models, four days of use."""
    tenant = make_tenant(zone="Europe/Berlin")
    owner = make_member(tenant=tenant, email="ada@example.org")
    epoch = make_epoch(started_at=NOON - 9 * DAY, heartbeat_at=database_now())
    prices = [make_price(model=model) for model in ("large", "small")]
    with as_operator():
        cover(tenant=tenant, earliest=NOON - 9 * DAY, latest=database_now())
    for number in range(3):
        use = make_use(price=prices[0], admitted_at=NOON, tenant=tenant)
        if number:
            with as_operator():
                ApiKey.objects.filter(pk=use.api_key_id).update(member=owner)
        for day in range(-2, 2):
            counts = TokenCounts(10 + number, 3, 100 * (number + 1), 1)
            commit(
                epoch,
                replace(
                    use,
                    price=prices[day % 2],
                    admitted_at=NOON + day * DAY,
                    counts=counts,
                ),
            )
    with as_operator():
        roll_up()
    return owner


def shown(member: Member, **query: str) -> Any:
    """Return the page."""
    path = f"/console/{member.tenant.slug}/usage/"
    return sign_in(Client(), member.user).get(path, {**RANGE, **query})


def asked(member: Member, **query: Any) -> Any:
    """Return what the API answers."""
    token = make_token(tenant=member.tenant).token
    head = {"Authorization": f"Bearer {token}"}
    answer = Client().get("/api/v1/usage/", {**SAME_RANGE, **query}, headers=head)
    assert answer.status_code == 200, answer.content
    return answer.json()


def file_of(member: Member, name: str, **query: str) -> list[dict[str, str]]:
    """Return the rows of a file of the page."""
    answer = shown(member, file=name, **query)
    assert answer.status_code == 200
    body = b"".join(answer) if answer.streaming else answer.content
    return list(csv.DictReader(io.StringIO(body.decode())))


def test_every_pair_is_what_the_api_answers(owner: Member) -> None:
    nobodys = "nobody's keys"
    for one, other in permutations(By, 2):
        rows = file_of(owner, "usage", by=one, then=other)
        answer = asked(owner, group_by=f"{one},{other}")
        assert sorted(
            (row[one], row[other], row["requests"], row["spend"]) for row in rows
        ) == sorted(
            (
                str(row[one] or nobodys),
                str(row[other] or nobodys),
                f"{row['requests']}",
                row["charge"],
            )
            for row in answer["data"]
        )
        assert sum(int(row["requests"]) for row in rows) == 12


def test_every_column_is_in_the_file_over_time(owner: Member) -> None:
    for bucket in ("hour", "day"):
        rows = file_of(owner, "over-time", by="key", bucket=bucket)
        answer = asked(owner, group_by=f"key,{bucket}")
        assert [(row[bucket], row["key"], row["spend"]) for row in rows] == [
            (row[bucket], row["key"], row["charge"]) for row in answer["data"]
        ]
        assert len(rows) == 12


def test_the_chart_says_what_the_table_says(owner: Member) -> None:
    page = shown(owner, by="key", show="requests").content
    _, *over_time = next(
        rows for title, rows in tables(page).items() if "by day" in title
    )
    assert [row[0] for row in over_time] == [
        "2026-10-22",
        "2026-10-23",
        "2026-10-24",
        "2026-10-25",
        "2026-10-26",
        "Total",
    ]
    assert [row[-1] for row in over_time] == ["3", "3", "3", "3", "0", "12"]


def test_a_bucket_leads_to_its_hours_and_they_to_their_minutes(owner: Member) -> None:
    page = shown(owner).content.decode()
    assert "from=2026-10-25T00%3A00&amp;until=2026-10-26T00%3A00" in page
    # The day on which clocks change has 25 hours.
    day = shown(owner, **{"from": "2026-10-25T00:00", "until": "2026-10-26T00:00"})
    assert text(day.content).count("2026-10-25 02:00") >= 2
    hour = {"from": "2026-10-24T14:00", "until": "2026-10-24T15:00"}
    said = text(shown(owner, **hour).content)
    assert "Spend by minute and model" in said
    assert "2026-10-24 14:00 to 2026-10-24 15:00 · Europe/Berlin" in said


def test_spend_is_compared_with_as_long_before(owner: Member) -> None:
    late = {"from": "2026-10-24T00:00", "until": "2026-10-26T00:00"}
    said = text(shown(owner, **late).content)
    assert "+0.0 % against 2026-10-22 00:00 to 2026-10-24 00:00" in said or (
        "0.0 % against 2026-10-22 00:00 to 2026-10-24 00:00" in said
    )
    before = text(shown(owner).content)
    assert "nothing in 2026-10-17 00:00 to 2026-10-22 00:00" in before


def test_a_name_leads_to_itself_alone(owner: Member) -> None:
    page = shown(owner, by="key").content.decode()
    key = ApiKey.objects.using("operator").filter(tenant=owner.tenant).first()
    assert key is not None
    assert f"by=model&amp;key={key.pk}" in page or f"key={key.pk}" in page
    alone = shown(owner, key=f"{key.pk}")
    assert f"key {key.name}" in text(alone.content)
    assert file_of(owner, "usage", key=f"{key.pk}", by="key") == [
        row
        for row in file_of(owner, "usage", by="key", key=f"{key.pk}")
        if row["key"].startswith(key.name)
    ]


def test_the_call_that_is_shown_answers_what_is_shown(owner: Member) -> None:
    said = shown(owner, by="project", then="model").context["call"]
    address = said.split('"')[1]
    answer = asked(owner, **dict(parse_qsl(urlsplit(address).query)))
    rows = file_of(owner, "over-time", by="project", then="model")
    assert [row["spend"] for row in rows] == [row["charge"] for row in answer["data"]]


NONSENSE = (
    ({"then": "model"}, "leave it out"),
    ({"by": "tenant"}, "is one of model, project, key, member"),
    ({"bucket": "minute"}, "cannot be minutes"),
    ({"until": "2026-10-01T00:00"}, "ends before it begins"),
    ({"from": "yesterday"}, "Write a time like"),
    ({"key": "987654321"}, "There is no key 987654321"),
    ({"sort": "nothing"}, "no column to sort by"),
)


def test_what_makes_no_sense_is_said(owner: Member) -> None:
    for query, said in NONSENSE:
        answer = shown(owner, **query)
        assert answer.status_code == 400
        assert said in text(answer.content)


def test_an_empty_range_says_when_the_last_request_was(owner: Member) -> None:
    nothing = {"from": "2026-10-26T00:00", "until": "2026-10-27T00:00"}
    said = text(shown(owner, **nothing).content)
    assert "No requests in this range" in said
    assert "The last one was on 2026-10-25 13:00 Europe/Berlin." in said


def test_a_developer_sees_their_projects_alone(owner: Member) -> None:
    developer = make_member(tenant=owner.tenant, role="developer")
    assert file_of(developer, "usage", by="key") == []


def test_every_preset_shows_its_range(owner: Member) -> None:
    path, person = f"/console/{owner.tenant.slug}/usage/", sign_in(Client(), owner.user)
    for span in ("1h", "24h", "7d", "30d", "period"):
        answer = person.get(path, {"range": span})
        assert answer.status_code == 200
        assert "so far" in text(answer.content)
    assert person.get(path, {"range": "last-period"}).status_code == 200


def test_the_page_asks_as_much_however_many_keys_there_are(owner: Member) -> None:
    def queries() -> int:
        person = sign_in(Client(), owner.user)
        path = f"/console/{owner.tenant.slug}/usage/"
        with CaptureQueriesContext(connections[APP]) as made:
            person.get(path, {**RANGE, "by": "key", "then": "model"})
        return len(made)

    few = queries()
    price, epoch = make_price(model="other"), make_epoch(started_at=NOON)
    for _ in range(9):
        commit(epoch, make_use(price=price, admitted_at=NOON, tenant=owner.tenant))
    assert queries() == few < 30
