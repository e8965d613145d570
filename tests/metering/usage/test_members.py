"""Use by member: that of their keys, and only for who may know who they are."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from kit.orm.roles import as_operator
from kit.scopes import Scope
from metering.usage.services import roll_up
from tenants.models import ApiKey, Member
from tests.factories.pricing import make_price
from tests.factories.tenants import make_member, make_token
from tests.factories.usage import commit, make_epoch, make_use

pytestmark = pytest.mark.usefixtures("fresh_database")

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)


@pytest.fixture
def member() -> Member:
    """Provide a member with a key that was used once, as was one of nobody."""
    member = make_member(email="ada@example.org")
    price, epoch = make_price(), make_epoch(started_at=NOON)
    for owner in (member, None):
        use = make_use(price=price, admitted_at=NOON, tenant=member.tenant)
        with as_operator():
            ApiKey.objects.filter(pk=use.api_key_id).update(member=owner)
        commit(epoch, use)
    with as_operator():
        roll_up()
    return member


def ask(of: Member, *scopes: str, **query: Any) -> Any:
    """Ask with a token of the member's tenant."""
    token = make_token(tenant=of.tenant, scopes=[Scope(each) for each in scopes]).token
    span = {"start": "2026-11-10", "end": "2026-11-11", "group_by": "member"}
    return Client().get(
        "/api/v1/usage/", span | query, headers={"Authorization": f"Bearer {token}"}
    )


def test_use_is_divided_by_whose_keys_used_it(member: Member) -> None:
    answer = ask(member, "usage:read", "members:read").json()
    assert [(row["member_id"], row["requests"]) for row in answer["data"]] == [
        (member.pk, 1),
        (None, 1),
    ]
    assert answer["data"][0]["member"] == "ada@example.org"


def test_use_is_narrowed_to_one_member(member: Member) -> None:
    answer = ask(member, "usage:read", member=member.pk, group_by="model").json()
    assert answer["total"]["requests"] == 1


def test_a_token_that_may_not_know_members_is_told_so(member: Member) -> None:
    answer = ask(member, "usage:read")
    assert answer.status_code == 403
    assert answer.json()["error"]["param"] == "group_by"
    assert "members:read" in answer.json()["error"]["message"]
