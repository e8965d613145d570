"""Projects in the console: what each spent, opened, renamed, archived for good."""

import csv
import datetime as dt
import io
from dataclasses import replace

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kit.orm.roles import as_operator
from metering.usage.services import cover, roll_up
from tenants.models import Member, Project
from tests.factories.accounts import sign_in
from tests.factories.limits import make_budget
from tests.factories.pricing import make_price
from tests.factories.tenants import make_key, make_member, make_project, make_tenant
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")

MONTH = dt.timedelta(days=31)


def at(member: Member, rest: str = "") -> str:
    """Return the address of a tenant's projects."""
    return f"/console/{member.tenant.slug}/projects/{rest}"


def browser(member: Member) -> Client:
    """Return the browser of a member who has signed in."""
    return sign_in(Client(), member.user)


def used(project: Project, *times: dt.datetime) -> None:
    """Commit a request of the project at each of these instants."""
    row = make_key(project=project).row
    price = make_price(currency="USD")
    use = replace(
        make_use(price=price, admitted_at=times[0], tenant=project.tenant),
        api_key_id=row.pk,
        project_id=project.pk,
    )
    with as_operator():
        cover(tenant=project.tenant, earliest=min(times), latest=max(times))
        epoch = make_epoch(started_at=min(times), heartbeat_at=timezone.now())
        for each in times:
            commit(epoch, replace(use, admitted_at=each))
        roll_up()


def test_spend_is_compared_with_as_much_of_the_period_before() -> None:
    member = make_member(tenant=make_tenant(slug="acme"))
    project = make_project(tenant=member.tenant, name="Search")
    now = timezone.now()
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = (start - dt.timedelta(days=1)).replace(day=1)
    at_end = start - dt.timedelta(seconds=1)
    # What came later in the period before than this one has come is not compared.
    late = [at_end] if now - start < at_end - before else []
    used(project, before, *late, start, start)
    person = browser(member)

    rows = tables(person.get(at(member)).content)["Projects"]
    found = next(row for row in rows if row[0].startswith("Search"))

    spend, base, change = found[5], found[6], found[7]
    assert float(spend) == 2 * float(base) > 0
    assert change.endswith("100.0 %")
    file = person.get(at(member, "?file=projects&sort=-spend"))
    listed = list(csv.DictReader(io.StringIO(file.getvalue().decode())))
    assert [row["name"] for row in listed] == ["Search", "Default"]


def test_a_project_is_created_renamed_and_archived_by_its_short_name() -> None:
    member = make_member()
    person = browser(member)

    twice = {"name": "Default again", "slug": "default"}
    assert person.post(at(member, "new/"), twice).status_code == 400
    person.post(at(member, "new/"), {"name": "Search", "slug": "search"})
    with as_operator():
        row = Project.objects.get(slug="search")
    make_key(project=row)
    person.post(at(member, f"{row.pk}/rename/"), {"name": "Finding"})
    page = person.get(at(member, f"{row.pk}/archive/"))
    assert "1 active key stops opening the door" in text(page.content)
    wrong = person.post(at(member, f"{row.pk}/archive/"), {"name": "Finding"})
    assert wrong.status_code == 400
    person.post(at(member, f"{row.pk}/archive/"), {"name": "search"}, follow=True)

    with as_operator():
        row.refresh_from_db()
    assert row.name == "Finding"
    assert row.archived_at is not None
    assert "Finding" not in text(person.get(at(member)).content)
    assert "Finding" in text(person.get(at(member, "?archived=yes")).content)


def test_a_developer_sees_the_projects_that_it_is_in_and_changes_none() -> None:
    tenant = make_tenant()
    mine = make_project(tenant=tenant, name="Search")
    other = make_project(tenant=tenant, name="Secret")
    member = make_member(tenant=tenant, role="developer", projects=[mine])
    person = browser(member)

    page = text(person.get(at(member)).content)
    assert "Search" in page
    assert "Secret" not in page
    assert person.get(at(member, f"{mine.pk}/")).status_code == 200
    assert person.get(at(member, f"{other.pk}/")).status_code == 404
    assert person.get(at(member, "new/")).status_code == 403
    sent = {"name": mine.slug}
    assert person.post(at(member, f"{mine.pk}/archive/"), sent).status_code == 403


def test_a_project_of_another_tenant_is_not_there() -> None:
    member, theirs = make_member(), make_project(name="Theirs")
    person = browser(member)
    for page in ("", "rename/", "archive/"):
        assert person.get(at(member, f"{theirs.pk}/{page}")).status_code == 404
    sent = {"name": theirs.slug}
    assert person.post(at(member, f"{theirs.pk}/archive/"), sent).status_code == 404


def test_many_projects_cost_as_many_queries_as_few() -> None:
    member = make_member()
    person = browser(member)

    def asked() -> int:
        with CaptureQueriesContext(connections["default"]) as found:
            assert person.get(at(member)).status_code == 200
        return len(found)

    def add() -> None:
        project = make_project(tenant=member.tenant)
        make_budget(project=project, window="month", amount_picos=10**12)

    add()
    few = asked()
    for _ in range(4):
        add()
    assert asked() == few
