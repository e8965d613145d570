"""Members give, watch, limit and end API keys on pages of their tenant."""

import csv
import datetime as dt
import html
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inference.control import live
from inference.control.models import Pulse
from kit.orm.roles import as_operator, as_tenant
from metering.pricing import services as pricing
from metering.usage.services import roll_up
from pages.access import LIVE_POLICY
from tenants import selectors, services
from tenants.models import ApiKey, Budget, KeyState, Member
from tests.factories.accounts import sign_in
from tests.factories.control import make_model
from tests.factories.limits import make_budget
from tests.factories.pricing import LONG_AGO, make_price
from tests.factories.tenants import (
    default_project,
    make_key,
    make_member,
    make_project,
    make_tenant,
)
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.operations.pulses import make_pulse
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")


def at(member: Member, rest: str = "") -> str:
    """Return the address of a tenant's keys."""
    return f"/console/{member.tenant.slug}/keys/{rest}"


def browser(member: Member, **options: Any) -> Client:
    """Return the browser of a member who has signed in."""
    return sign_in(Client(**options), member.user)


def own_key(member: Member, name: str = "own") -> ApiKey:
    """Issue a key that is the member's own."""
    with as_operator():
        return services.issue_key(
            tenant=member.tenant,
            project=default_project(member.tenant),
            name=name,
            member=member,
        ).row


def again(row: ApiKey) -> ApiKey:
    """Return a key as it is now."""
    with as_operator():
        return ApiKey.objects.select_related("tenant", "project").get(pk=row.pk)


def new(member: Member, **fields: Any) -> dict[str, Any]:
    """Return what the form of a new key is sent with."""
    project = default_project(member.tenant)
    return {
        "name": "deploy",
        "project": project.pk,
        "whose": "own",
        "lasts": "30",
        "scopes": ["generate", "models"],
        "networks": "",
        **fields,
    }


def test_a_key_is_issued_and_shown_once() -> None:
    member, model = make_member(), make_model(name="small")
    person = browser(member)

    answer = person.post(at(member, "new/"), new(member, models=[model.name]))

    page = answer.content.decode()
    with as_operator():
        row = ApiKey.objects.get()
    (shown,) = re.findall(r'id="key"[^>]*><code>([^<]+)</code>', page)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert answer["Content-Security-Policy"] == LIVE_POLICY
    with as_operator():
        assert selectors.api_key_by_text(shown) == row
    assert (row.name, row.member_id, row.allowed_models) == (
        "deploy",
        member.pk,
        ["small"],
    )
    assert row.scopes == ["generate", "models"]
    assert row.expires_at is not None
    assert "/v1/chat/completions" in page
    assert page.count(shown) == 1
    for page_after in (at(member), at(member, f"{row.pk}/")):
        assert shown not in person.get(page_after).content.decode()
    assert shown not in str(person.cookies)
    with as_operator():
        assert shown not in str(dict(person.session))


def test_the_first_call_names_a_model_that_answers_it() -> None:
    member = make_member()
    retired = make_model(name="b-retired")
    make_model(name="a-unpriced")
    make_model(name="c-embeds", tasks=["embedding"])
    for name in ("d-answers", "e-answers"):
        make_model(name=name)
    with as_operator():
        book = pricing.create_price_book(name="b", currency="USD", is_default=True)
        version = pricing.draft_version(book=book, effective_at=LONG_AGO)
        for name in ("b-retired", "c-embeds", "d-answers", "e-answers"):
            pricing.set_price(
                version=version,
                model=name,
                input_per_million="1",
                cached_input_per_million="1",
                output_per_million="1",
            )
        pricing.publish_version(version=version, now=LONG_AGO)
        type(retired).objects.filter(pk=retired.pk).update(retires_at=LONG_AGO)
    person = browser(member)

    def called(**fields: Any) -> list[str]:
        answer = person.post(at(member, "new/"), new(member, **fields))
        said = html.unescape(answer.content.decode())
        return re.findall(r'"model": "([^"]+)"', said)

    assert set(called()) == {"d-answers"}
    assert set(called(models=["a-unpriced", "e-answers"])) == {"e-answers"}
    # None of those answers: then one that the key is for.
    assert set(called(models=["a-unpriced"])) == {"a-unpriced"}


def test_what_the_service_refuses_is_said_beside_its_field() -> None:
    member = make_member()

    answer = browser(member).post(
        at(member, "new/"), new(member, networks="192.0.2.7/24", name=" ")
    )

    assert answer.status_code == 400
    assert "This field is required." in text(answer.content)
    answer = browser(member).post(
        at(member, "new/"), new(member, networks="192.0.2.7/24")
    )
    assert answer.status_code == 400
    assert "192.0.2.0/24" in text(answer.content)
    with as_operator():
        assert not ApiKey.objects.exists()


def test_a_developer_gives_keys_of_own_projects_alone_and_none_of_services() -> None:
    tenant = make_tenant()
    project = make_project(tenant=tenant, name="Search")
    member = make_member(tenant=tenant, role="developer", projects=[project])
    person = browser(member)

    form = person.get(at(member, "new/")).content.decode()
    refused = person.post(at(member, "new/"), new(member))
    given = person.post(
        at(member, "new/"), new(member, project=project.pk, whose="service")
    )

    assert "Search" in form
    assert "a service&#x27;s" not in form
    assert refused.status_code == 400
    assert given.status_code == 201
    with as_operator():
        assert ApiKey.objects.get().member_id == member.pk


@pytest.mark.parametrize("role", ["billing", "viewer"])
def test_who_holds_no_right_to_keys_sees_none(role: str) -> None:
    member = make_member(role=role)
    row = make_key(tenant=member.tenant).row
    person = browser(member)

    for page in ("", "new/", f"{row.pk}/", f"{row.pk}/revoke/"):
        assert person.get(at(member, page)).status_code == 403
    assert "API keys" not in text(person.get(f"/console/{member.tenant.slug}/").content)


def test_a_key_of_another_tenant_is_not_there() -> None:
    member, other = make_member(), make_key(name="theirs").row
    person = browser(member)
    pages = ("", "change/", "limit/", "rotate/", "disable/", "enable/", "revoke/")
    for page in pages:
        assert person.get(at(member, f"{other.pk}/{page}")).status_code == 404
        if page:
            answer = person.post(at(member, f"{other.pk}/{page}"), {"name": "theirs"})
            assert answer.status_code == 404
    assert "theirs" not in text(person.get(at(member)).content)
    assert again(other).revoked_at is None


def test_a_colleagues_key_is_seen_and_not_touched_by_a_developer() -> None:
    owner = make_member()
    row = own_key(owner)
    project = default_project(owner.tenant)
    member = make_member(tenant=owner.tenant, role="developer", projects=[project])
    person = browser(member)

    page = person.get(at(member, f"{row.pk}/")).content.decode()

    assert "Revoke this key" not in page
    for verb in ("change", "rotate", "disable", "revoke"):
        assert person.get(at(member, f"{row.pk}/{verb}/")).status_code == 403
        sent = {"name": row.name, "overlap_s": "0"}
        assert person.post(at(member, f"{row.pk}/{verb}/"), sent).status_code == 403
    assert again(row).state_at(timezone.now()) is KeyState.ACTIVE


def test_a_key_is_rotated_with_an_overlap() -> None:
    member = make_member()
    row = own_key(member)
    person = browser(member)

    answer = person.post(at(member, f"{row.pk}/rotate/"), {"overlap_s": "3600"})

    old = again(row)
    with as_operator():
        newer = ApiKey.objects.get(replaces=row)
    assert answer.status_code == 201
    assert f"{row.shown} , which it replaces, works until" in text(answer.content)
    assert old.expires_at is not None
    left = old.expires_at - timezone.now()
    assert dt.timedelta(minutes=59) < left <= dt.timedelta(hours=1)
    assert f"Replaced by own ({newer.shown})" in text(
        person.get(at(member, f"{row.pk}/")).content
    )
    twice = person.post(at(member, f"{row.pk}/rotate/"), {"overlap_s": "3600"})
    assert twice.status_code == 400
    assert f"replaced by key {newer.pk}" in text(twice.content)


def test_a_key_is_revoked_by_its_name_and_told_where_it_is_stopped() -> None:
    member = make_member()
    row = own_key(member, name="production")
    with as_operator():
        make_pulse(now=timezone.now(), version=10**9)
        make_pulse("gateway-2", now=timezone.now(), version=0)
    person = browser(member)
    page = at(member, f"{row.pk}/revoke/")

    assert "It made 0 requests within the last hour" in text(person.get(page).content)
    refused = person.post(page, {"name": "staging"})
    assert refused.status_code == 400
    assert again(row).revoked_at is None
    done = person.post(page, {"name": "production"}, follow=True)

    assert again(row).revoked_at is not None
    assert "1 of 2 gateways" in text(done.content)
    assert 'hx-get="?part=stopping"' in done.content.decode()
    with as_operator():
        make_pulse("gateway-3", now=timezone.now(), version=10**9)
        Pulse.objects.filter(gateway="gateway-2").delete()
    part = person.get(at(member, f"{row.pk}/?part=stopping")).content.decode()
    assert "2 of 2 gateways" in part
    assert "hx-get" not in part


def test_a_tenant_learns_of_gateways_by_its_own_keys_alone() -> None:
    row, other = make_key().row, make_key().row
    now = timezone.now()
    with as_operator():
        make_pulse(now=now, version=10**9)
        make_pulse("gone", now=now, age_s=60)
    with as_tenant(row.tenant_id):
        assert live.own_key_seen(digest=row.digest, now=now) == live.Seen(by=1, of=1)
        assert live.own_key_seen(digest=other.digest, now=now) is None


def test_a_key_is_disabled_and_enabled() -> None:
    member = make_member()
    row = make_key(tenant=member.tenant).row
    person = browser(member)

    person.post(at(member, f"{row.pk}/disable/"))
    assert again(row).state_at(timezone.now()) is KeyState.DISABLED
    page = text(person.get(at(member, f"{row.pk}/")).content)
    assert "stopped on gateways" in page
    assert "none says that it runs just now" in page
    person.post(at(member, f"{row.pk}/enable/"))
    assert again(row).state_at(timezone.now()) is KeyState.ACTIVE


def test_a_key_is_changed_and_what_was_left_alone_stays() -> None:
    member = make_member()
    with as_operator():
        ends = timezone.now() + dt.timedelta(days=3)
        row = services.update_key(api_key=own_key(member), expires_at=ends)
    person = browser(member)
    page = at(member, f"{row.pk}/change/")
    day = f"{ends:%Y-%m-%d}"
    sent = {"name": "renamed", "scopes": ["models"], "networks": "", "ends_on": day}

    assert f'value="{day}"' in person.get(page).content.decode()
    assert person.post(page, sent).status_code == 302

    late = person.post(page, sent | {"ends_on": "9999-12-31"})
    assert late.status_code == 400

    kept = again(row)
    assert (kept.name, kept.scopes, kept.expires_at) == ("renamed", ["models"], ends)
    person.post(page, sent | {"ends_on": ""})
    assert again(row).expires_at is None


def test_days_and_instants_are_those_of_the_tenants_clocks() -> None:
    member = make_member(tenant=make_tenant(zone="Asia/Tokyo"))
    row = own_key(member)
    person, page = browser(member), at(member, f"{row.pk}/change/")
    sent = {
        "name": "own",
        "scopes": ["models"],
        "networks": "",
        "ends_on": "2028-02-29",
    }

    assert person.post(page, sent).status_code == 302

    ends = dt.datetime(2028, 2, 29, 15, tzinfo=dt.UTC)
    assert again(row).expires_at == ends
    assert 'value="2028-02-29"' in person.get(page).content.decode()
    for shown in ("", f"{row.pk}/"):
        content = text(person.get(at(member, shown)).content)
        assert "Expires (Asia/Tokyo)" in content
        assert "2028-03-01 00:00:00" in content


def test_a_tenant_limits_its_key_beside_the_operators_and_ends_that() -> None:
    member = make_member()
    row = make_key(tenant=member.tenant).row
    make_budget(api_key=row, window="month", amount_picos=9 * 10**12)
    person = browser(member)
    page = at(member, f"{row.pk}/limit/")

    assert person.post(page, {"what": "budget month", "amount": "x"}).status_code == 400
    assert person.post(page, {"what": "budget month", "amount": ""}).status_code == 400
    for amount in ("5", "4.50"):
        person.post(page, {"what": "budget month", "amount": amount})
    with as_operator():
        mine = Budget.objects.get(set_by="tenant")
    assert mine.amount_picos == 4_500_000_000_000
    shown = text(person.get(at(member, f"{row.pk}/")).content)
    assert "4.50 USD" in shown
    person.post(page, {"what": "budget month", "amount": ""})
    with as_operator():
        mine.refresh_from_db()
        assert mine.ended_at is not None
        assert Budget.objects.get(set_by="operator").ended_at is None


def test_the_list_is_searched_sorted_and_written_whole() -> None:
    member = make_member(tenant=make_tenant(slug="acme"))
    now = timezone.now()
    price = make_price(currency="USD")
    names = ("alpha", "beta", "gamma")
    keys = {name: make_key(tenant=member.tenant, name=name).row for name in names}
    use = make_use(price=price, admitted_at=now, tenant=member.tenant)
    epoch = make_epoch(started_at=now)
    times = {"alpha": 1, "beta": 3}
    for name, count in times.items():
        of = replace(use, api_key_id=keys[name].pk, project_id=keys[name].project_id)
        commit(epoch, *[of] * count)
    with as_operator():
        roll_up()
    person = browser(member)

    def listed(query: str = "") -> list[str]:
        rows = tables(person.get(at(member, query)).content).get("Keys", [])
        return [row[0].split()[0] for row in rows[1:] if row[0].split()[0] in names]

    assert listed("?sort=name") == ["alpha", "beta", "gamma"]
    assert listed("?sort=-spend") == ["beta", "alpha", "gamma"]
    assert listed("?sort=spend") == ["gamma", "alpha", "beta"]
    assert listed("?search=ALP") == ["alpha"]
    assert listed(f"?search={keys['gamma'].shown}") == ["gamma"]
    assert listed("?state=revoked") == []
    assert person.get(at(member, "?state=none")).status_code == 400
    assert person.get(at(member, "?sort=none")).status_code == 400
    file = person.get(at(member, "?file=keys&sort=-spend"))
    body = file.getvalue()
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [row["name"] for row in rows][:2] == ["beta", "alpha"]
    assert len(rows) >= 3


def test_many_keys_cost_as_many_queries_as_few() -> None:
    member = make_member()
    make_budget(api_key=own_key(member), window="month", amount_picos=10**12)
    person = browser(member)

    def asked() -> int:
        with CaptureQueriesContext(connections["default"]) as found:
            assert person.get(at(member)).status_code == 200
        return len(found)

    few = asked()
    for number in range(5):
        row = own_key(member, name=f"key {number}")
        make_budget(api_key=row, window="month", amount_picos=10**12)
    assert asked() == few


def test_a_suspended_tenant_sees_its_keys_and_changes_none() -> None:
    member = make_member()
    row = own_key(member)
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)
    person = browser(member)

    assert "suspended" in text(person.get(at(member)).content)
    assert "New key" not in text(person.get(at(member)).content)
    assert person.post(at(member, "new/"), new(member)).status_code == 403
    assert person.post(at(member, f"{row.pk}/disable/")).status_code == 403
    assert again(row).disabled_at is None
