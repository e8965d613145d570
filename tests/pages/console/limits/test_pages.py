"""Limits: the nearest first, warn or stop said, lower ones set, alerts listed."""

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.orm.roles import APP, as_operator
from metering.alerts.watching import scan
from metering.usage.selectors import database_now
from metering.usage.services import cover
from tenants.models import Budget, Member, Quota
from tests.factories.accounts import sign_in
from tests.factories.alerts import make_window
from tests.factories.limits import make_quota, make_rate_limit
from tests.factories.tenants import make_key, make_member
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")

FOREVER = {
    "window": "forever",
    "starts_at": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    "ends_at": dt.datetime(9999, 1, 1, tzinfo=dt.UTC),
}


@pytest.fixture
def owner() -> Member:
    """Provide an owner of a tenant whose calendar is written."""
    owner = make_member(email="ada@example.org")
    with as_operator():
        now = database_now()
        cover(tenant=owner.tenant, earliest=now - dt.timedelta(days=40), latest=now)
    return owner


def page(member: Member, path: str = "") -> str:
    """Return the address of a page."""
    return f"/console/{member.tenant.slug}/limits/{path}"


def shown(member: Member) -> Any:
    """Return the page."""
    return sign_in(Client(), member.user).get(page(member))


def windows(member: Member) -> tuple[int, int]:
    """Have a tenant's and a key's quota be used by half, and by nine tenths."""
    tenant = member.tenant
    key = make_key(tenant=tenant, name="deploy").row
    make_quota(1000, tenant=tenant, window="forever", warn_at=[50])
    make_quota(2000, api_key=key, window="forever", is_hard=False)
    make_window(tenant=tenant, posted=500, **FOREVER)
    make_window(
        tenant=tenant, level="api_key", holder_id=key.pk, posted=1800, **FOREVER
    )
    return tenant.pk, key.pk


def test_the_nearest_comes_first_and_says_what_it_does(owner: Member) -> None:
    windows(owner)
    answer = shown(owner)
    assert answer.status_code == 200
    _, first, second = tables(answer.content)["Budgets and quotas"]
    assert first[0].startswith("key deploy")
    assert first[1:] == [
        "tokens in all",
        "2,000",
        "90.0 % 1,800",
        "no",
        "only warns",
        "no bound",
        "never",
        "operators",
    ]
    assert second[2:7] == ["1,000", "50.0 % 500", "50 %", "stops", "none"]
    assert "90.0 % of 2,000, only warns" in text(answer.content)


def test_a_link_to_a_limit_finds_it_however_many_there_are(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows(owner)
    tenant = owner.tenant
    quiet = make_key(tenant=tenant, name="quiet").row
    row = make_quota(7, api_key=quiet, window="forever")
    for number in range(2):
        make_quota(9, api_key=make_key(tenant=tenant, name=f"k{number}").row)
    monkeypatch.setattr("metering.budgets.nearest.HOLDERS_MAX", 1)
    person = sign_in(Client(), owner.user)
    mark = f"quota-{row.pk}-api_key-{quiet.pk}"
    assert mark not in shown(owner).content.decode()

    found = person.get(page(owner), {"show": mark})

    _, only = tables(found.content)["Budgets and quotas"]
    assert only[0].startswith("key quiet")
    assert f'id="{mark}"' in found.content.decode()
    assert "This is one limit of several." in text(found.content)
    other = make_key(name="elsewhere").row
    for wrong in ("quota-1-api_key-1", f"quota-9-api_key-{other.pk}", "x", "-" * 300):
        answer = person.get(page(owner), {"show": wrong})
        assert answer.status_code == 200
        assert "The limit that was asked for holds no more" in text(answer.content)
        assert "elsewhere" not in text(answer.content)


def test_who_sees_a_project_alone_is_shown_no_limit_beyond_it(owner: Member) -> None:
    developer = make_member(tenant=owner.tenant, role="developer")
    key = make_key(tenant=owner.tenant, name="not-theirs").row
    row = make_quota(7, api_key=key, window="forever")

    answer = sign_in(Client(), developer.user).get(
        page(developer), {"show": f"quota-{row.pk}-api_key-{key.pk}"}
    )

    assert "not-theirs" not in text(answer.content)
    assert "holds no more, or is not for you to see" in text(answer.content)


def test_the_file_is_the_table(owner: Member) -> None:
    windows(owner)
    answer = sign_in(Client(), owner.user).get(page(owner), {"file": "limits"})
    body = b"".join(answer) if answer.streaming else answer.content
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [(row["limit"], row["used"]) for row in rows] == [
        ("2,000", "90.0"),
        ("1,000", "50.0"),
    ]


def test_rates_are_told_by_themselves(owner: Member) -> None:
    make_rate_limit(60, tenant=owner.tenant, unit="requests", window="minute")
    _, only = tables(shown(owner).content)["Rate limits"]
    assert only[1:] == ["requests a minute", "60", "stops", "operators"]
    file = sign_in(Client(), owner.user).get(page(owner), {"file": "rates"})
    assert "tollgate-rate-limits-" in file["Content-Disposition"]


def test_a_limit_is_set_changed_and_ended(owner: Member) -> None:
    person = sign_in(Client(), owner.user)
    terms = {"amount_picos": "500.25", "is_hard": "stop", "warn_at": "50, 80"}
    asked = {"whom": "tenant", "model": "", "window": "month", **terms}
    assert person.post(page(owner, "new/budget/"), asked).status_code == 302
    with as_operator():
        row = Budget.objects.get()
    assert (row.amount_picos, row.warn_at, row.set_by) == (
        500_250_000_000_000,
        [50, 80],
        "tenant",
    )
    here = page(owner, f"budget/{row.pk}/")
    assert "500.25" in person.get(here).content.decode()
    changed = terms | {"amount_picos": "400", "is_hard": "warn"}
    assert person.post(here, changed).status_code == 302
    row.refresh_from_db(using="operator")
    assert (row.amount_picos, row.is_hard) == (400 * 10**12, False)
    assert person.post(f"{here}end/").status_code == 302
    row.refresh_from_db(using="operator")
    assert row.ended_at is not None
    assert person.get(here).status_code == 404


def test_what_is_refused_is_said_and_nothing_is_set(owner: Member) -> None:
    person = sign_in(Client(), owner.user)
    good = {
        "whom": "tenant",
        "model": "",
        "unit": "tokens",
        "window": "day",
        "value": "5",
        "is_hard": "stop",
        "warn_at": "",
    }
    for wrong, said in (
        ({"model": "mistyped"}, "is not one of the available choices"),
        ({"warn_at": "80, 50"}, "ascending"),
        ({"warn_at": "lots"}, "Write percents like"),
        ({"value": "-1"}, "greater than or equal to 0"),
        ({"whom": "key-1"}, "is not one of the available choices"),
    ):
        answer = person.post(page(owner, "new/quota/"), good | wrong)
        assert answer.status_code == 400
        assert said in text(answer.content)
    answer = person.post(page(owner, "new/budget/"), good | {"amount_picos": "1,50"})
    assert "Write an amount like 500.00." in text(answer.content)
    with as_operator():
        assert not Quota.objects.exists()
        assert not Budget.objects.exists()
    assert person.get(page(owner, "new/nonsense/")).status_code == 404


def test_the_operators_limits_are_not_the_tenants_to_change(owner: Member) -> None:
    row = make_quota(1000, tenant=owner.tenant)
    person = sign_in(Client(), owner.user)
    assert person.get(page(owner, f"quota/{row.pk}/")).status_code == 403
    assert person.post(page(owner, f"quota/{row.pk}/end/")).status_code == 403
    row.refresh_from_db(using="operator")
    assert row.ended_at is None


def test_what_was_told_is_listed(owner: Member) -> None:
    windows(owner)
    with as_operator():
        scan(now=database_now())
    _, only = tables(shown(owner).content)["Alert history"]
    assert only[1:] == [
        f"tenant {owner.tenant.name}",
        "50 %",
        "quota",
        "stops",
        "yes",
        "stands",
    ]
    person = sign_in(Client(), owner.user)
    late = person.get(page(owner), {"alerts-page": "9"})
    assert len(tables(late.content)["Alert history"]) == 2
    told = person.get(page(owner), {"file": "alerts"})
    body = b"".join(told) if told.streaming else told.content
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [(row["share"], row["kind"], row["told"]) for row in rows] == [
        ("50", "quota", "yes")
    ]


def test_viewers_see_and_set_nothing(owner: Member) -> None:
    windows(owner)
    viewer = make_member(tenant=owner.tenant, role="viewer")
    answer = shown(viewer)
    assert answer.status_code == 200
    assert "New budget" not in text(answer.content)
    person = sign_in(Client(), viewer.user)
    assert person.get(page(owner, "new/budget/")).status_code == 403


def test_a_developer_sees_no_key_of_other_projects(owner: Member) -> None:
    windows(owner)
    developer = make_member(tenant=owner.tenant, role="developer")
    assert "deploy" not in text(shown(developer).content)


def test_many_limits_cost_no_more_queries(owner: Member) -> None:
    def queries() -> int:
        person = sign_in(Client(), owner.user)
        with CaptureQueriesContext(connections[APP]) as made:
            person.get(page(owner))
        return len(made)

    windows(owner)
    few = queries()
    for number in range(8):
        key = make_key(tenant=owner.tenant, name=f"key {number}").row
        make_quota(2000, api_key=key, window="forever")
    assert queries() == few < 45
