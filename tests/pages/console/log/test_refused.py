"""What limits refused is seen on the log and at home, with the way to the limits."""

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kit.orm.roles import as_operator
from metering.usage.selectors import database_now
from metering.usage.services import cover
from pages.console.log import refused
from tenants.models import Member, ProjectMember
from tests.factories.accounts import sign_in
from tests.factories.refusals import make_refusal
from tests.factories.tenants import make_key, make_member, make_project, make_tenant
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")
HOUR = dt.timedelta(hours=1)
# Of a range that is asked for, so that no clock matters.
NINE = dt.datetime(2026, 11, 10, 9, tzinfo=dt.UTC)
RANGE = "from=2026-11-10T09:30&to=2026-11-10T12:00"


def look(member: Member, page: str) -> Any:
    """Open a page of the member's tenant."""
    answer = sign_in(Client(), member.user).get(f"/console/{member.tenant.slug}{page}")
    assert answer.status_code == 200
    return answer


def this_hour() -> dt.datetime:
    """Return when the running hour began, on the web's clock."""
    return timezone.now().replace(minute=0, second=0, microsecond=0)


def test_the_log_says_by_what_how_many_and_since_when() -> None:
    member = make_member(tenant=make_tenant(zone="Asia/Kolkata"))
    key = make_key(tenant=member.tenant, name="batch").row
    # 09:30 to 12:00 in Kolkata is 04:00 to 06:30: hours from 4 to 6.
    four = NINE.replace(hour=4)
    make_refusal(key, four, requests=12, model="m1")
    make_refusal(key, four + HOUR, requests=30, model="m1")
    make_refusal(
        key,
        four + 2 * HOUR,
        status=429,
        code="insufficient_quota",
        limit="project:budget:month",
    )
    make_refusal(key, four + 2 * HOUR, status=403, code="scope_missing", model="")
    make_refusal(key, four - HOUR, requests=1000)
    make_refusal(key, four + 3 * HOUR, requests=1000)

    answer = look(member, f"/requests/?{RANGE}")
    said = text(answer.content)

    assert "Refused 44 whole hours; not metered, not billed" in said
    assert (
        "limit of the key: requests a minute 429 rate_limit_exceeded m1 batch" in said
    )
    assert "42 2026-11-10 10:37:00.000" in said
    assert "limit of the project: budget a month 429 insufficient_quota" in said
    assert "the key lacks a scope 403 scope_missing" in said
    page = answer.content.decode()
    # Of the two that a limit refused.
    limits = f'href="/console/{member.tenant.slug}/limits/"'
    assert page[page.index('id="refused"') :].count(limits) == 2


def test_its_file_has_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member(tenant=make_tenant(zone="UTC"))
    key = make_key(tenant=member.tenant, name="batch").row
    for number in range(3):
        make_refusal(key, NINE, model=f"model-{number}", requests=number + 1)
    monkeypatch.setattr(refused, "KINDS", 2)

    page = look(member, f"/requests/?{RANGE}").content.decode()
    assert "file=refused" in page
    assert "model-0" not in page[page.index('id="refused"') :]
    file = look(member, f"/requests/?{RANGE}&file=refused")
    found = list(csv.DictReader(io.StringIO(file.content.decode())))

    assert [(row["model"], row["requests"]) for row in found] == [
        ("model-2", "3"),
        ("model-1", "2"),
        ("model-0", "1"),
    ]
    assert found[0]["status"] == "429 rate_limit_exceeded"
    assert file["X-Row-Count"] == "3"
    assert f"refused-{member.tenant.slug}.csv" in file["Content-Disposition"]


def test_a_file_of_too_many_kinds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member(tenant=make_tenant(zone="UTC"))
    key = make_key(tenant=member.tenant).row
    for number in range(3):
        make_refusal(key, NINE, model=f"m{number}")
    monkeypatch.setattr(refused, "FILE_ROWS_MAX", 2)

    address = f"/console/{member.tenant.slug}/requests/?{RANGE}&file=refused"
    answer = sign_in(Client(), member.user).get(address)

    assert answer.status_code == 400
    assert "at most 2 kinds" in answer.content.decode()


@pytest.mark.parametrize(
    ("narrowed", "number"),
    [
        ("", 6),
        ("&model=m1", 1),
        ("&model=none", 0),
        ("&key={other}", 2),
        ("&project={project}", 4),
        # What was refused has not ended, cost nothing and took no time.
        ("&status=ok", None),
        ("&slower=1", None),
        ("&min=0.1", None),
        ("&id=01a00000-0000-7000-8000-000000000000", None),
    ],
)
def test_filters_narrow_it_where_they_can(narrowed: str, number: int | None) -> None:
    member = make_member(tenant=make_tenant(zone="UTC"))
    key = make_key(tenant=member.tenant).row
    other = make_key(
        tenant=member.tenant, project=make_project(tenant=member.tenant)
    ).row
    make_refusal(key, NINE, model="m1")
    make_refusal(key, NINE, model="m2", requests=3)
    make_refusal(other, NINE, model="m2", requests=2)
    filled = narrowed.format(other=other.pk, project=key.project_id)
    said = text(look(member, f"/requests/?{RANGE}{filled}").content)
    if number is None:
        assert "whole hours; not metered" not in said
    else:
        assert f"Refused {number} whole hours; not metered" in said


def test_without_a_range_it_is_of_the_last_day_and_nobody_else_s() -> None:
    member = make_member(tenant=make_tenant())
    key = make_key(tenant=member.tenant).row
    make_refusal(key, this_hour() - HOUR, requests=5)
    make_refusal(key, this_hour() - 26 * HOUR, requests=100)
    make_refusal(make_key().row, this_hour() - HOUR, requests=1000)
    assert "Refused 5 whole hours" in text(look(member, "/requests/").content)


def test_whoever_is_kept_to_projects_sees_those_alone() -> None:
    tenant = make_tenant(zone="UTC")
    project = make_project(tenant=tenant)
    developer = make_member(tenant=tenant, role="developer")
    with as_operator():
        ProjectMember.objects.create(tenant=tenant, member=developer, project=project)
    make_refusal(make_key(tenant=tenant).row, NINE, requests=1000)
    make_refusal(make_key(tenant=tenant, project=project).row, NINE, requests=3)
    said = text(look(developer, f"/requests/?{RANGE}").content)
    assert "Refused 3 whole hours" in said


def test_home_tells_what_limits_refused_and_leads_to_them() -> None:
    member = make_member(tenant=make_tenant(zone="UTC"))
    with as_operator():
        now = database_now()
        cover(tenant=member.tenant, earliest=now - 40 * 24 * HOUR, latest=now)
    key = make_key(tenant=member.tenant).row
    hour = this_hour() - 2 * HOUR
    make_refusal(key, hour, requests=11)
    make_refusal(key, hour, limit="tenant:credit:forever", code="insufficient_quota")
    make_refusal(key, hour, status=403, code="scope_missing", requests=1000)

    answer = look(member, "/")
    said = text(answer.content)

    assert "12 requests refused with 429 within the last day." in said
    assert (
        f"Most: limit of the key: requests a minute; last at {hour:%Y-%m-%d %H}:07"
        in said
    )
    limits = f'href="/console/{member.tenant.slug}/limits/">12 requests'
    assert limits in answer.content.decode()


def test_home_is_silent_where_nothing_was_refused() -> None:
    member = make_member(tenant=make_tenant())
    with as_operator():
        now = database_now()
        cover(tenant=member.tenant, earliest=now - 40 * 24 * HOUR, latest=now)
    assert "refused" not in text(look(member, "/").content)
