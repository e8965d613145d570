"""The way to a first call: what to copy is ours, and the call is seen to arrive."""

import datetime as dt
import json
import shlex
import tomllib
from dataclasses import replace

import pytest
import yaml
from django.test import Client

from kit.orm.roles import as_operator
from metering.pricing import services as pricing
from metering.usage.selectors import database_now
from pages.access import LIVE_POLICY
from pages.console.start.snippets import ASSISTANTS, CLIENTS, Here, client_of
from tenants.models import Member, Project
from tests.factories.accounts import sign_in
from tests.factories.control import make_model
from tests.factories.pricing import LONG_AGO, make_assignment, make_book, make_price
from tests.factories.tenants import make_key, make_member, make_project
from tests.factories.usage import Use, commit, make_epoch, make_use
from tests.pages.reading import text

HERE = Here("https://gate.example", "llama-3.3-70b")
MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize("name", [each.name for each in (*CLIENTS, *ASSISTANTS)])
def test_every_client_is_pointed_here_and_reads_the_key_from_a_variable(
    name: str,
) -> None:
    client = client_of(name)
    assert client is not None
    whole = "\n".join(each.text for each in client.write(HERE))

    assert HERE.url in whole
    assert HERE.model in whole
    assert "tg_" not in whole


def test_what_is_to_be_copied_is_well_formed() -> None:
    def written(name: str) -> str:
        client = client_of(name)
        assert client is not None
        return client.write(HERE)[-1].text

    curl = shlex.split(written("curl").replace("\\\n", ""))
    assert json.loads(curl[-1])["model"] == HERE.model
    for name in ("python", "langchain"):
        compile(written(name), name, "exec")
    codex = tomllib.loads(written("codex"))
    assert codex["model_providers"]["tollgate"]["base_url"] == HERE.base_url
    # Tools that a provider runs are refused, and Codex offers them of itself.
    assert codex["web_search"] == "disabled"
    assert codex["features"] == {"multi_agent": False}
    (model,) = yaml.safe_load(written("continue"))["models"]
    assert model["apiBase"] == HERE.base_url
    # Anthropic's SDKs add /v1 themselves.
    assert f"ANTHROPIC_BASE_URL={HERE.url}\n" in written("claude-code")


@pytest.fixture
def use(fresh_database: None) -> Use:
    """Provide a request that could be made."""
    with as_operator():
        now = database_now()
    return make_use(price=make_price(model="demo-model"), admitted_at=now)


def member_of(use: Use, role: str) -> Member:
    """Make a member of the tenant of a request, a developer of its project."""
    with as_operator():
        project = Project.objects.select_related("tenant").get(pk=use.project_id)
    return make_member(tenant=project.tenant, role=role, projects=[project])


def looked(member: Member, since: dt.datetime) -> str:
    """Return what the waiting part says of requests since then."""
    page = f"/console/{member.tenant.slug}/start/arrived/"
    answer = sign_in(Client(), member.user).get(page, {"since": since.isoformat()})
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_request_is_seen_to_arrive_with_what_it_cost(use: Use) -> None:
    member, since = member_of(use, "developer"), use.admitted_at - MINUTE
    waiting = looked(member, since)
    assert "Waiting for your request" in waiting
    assert "hx-get" in waiting

    commit(make_epoch(started_at=since), use)

    there = looked(member, since)
    assert "Your request has arrived" in there
    assert "hx-get" not in there
    assert "120 tokens in, 50 out" in there
    assert "0.001056 USD" in there
    # What was there before the page was opened is not its arrival.
    assert "Waiting" in looked(member, use.admitted_at + MINUTE)


def test_a_developer_waits_for_requests_of_their_own_projects(
    use: Use,
) -> None:
    member = member_of(use, "developer")
    other = make_key(project=make_project(tenant=member.tenant)).row
    elsewhere = replace(use, project_id=other.project_id, api_key_id=other.pk)
    commit(make_epoch(started_at=use.admitted_at), elsewhere)

    since = use.admitted_at - MINUTE
    assert "Waiting" in looked(member, since)
    assert "has arrived" in looked(member_of(use, "owner"), since)


def test_an_abandoned_page_stops_asking(use: Use) -> None:

    said = looked(member_of(use, "owner"), use.admitted_at - 16 * MINUTE)

    assert "stopped looking" in said
    assert "hx-get" not in said


def test_an_instant_that_makes_no_sense_is_the_pages_own(use: Use) -> None:
    end_of_time = dt.datetime.max.replace(tzinfo=dt.UTC)
    said = looked(member_of(use, "owner"), end_of_time)
    assert "Waiting for your request" in said
    assert "9999" not in said


@pytest.mark.parametrize(("role", "status"), [("developer", 200), ("viewer", 403)])
def test_who_may_call_finds_the_page_and_others_no_link(
    use: Use, role: str, status: int
) -> None:
    member = member_of(use, role)
    person, root = sign_in(Client(), member.user), f"/console/{member.tenant.slug}/"

    answer = person.get(f"{root}start/", {"with": "curl", "since": "nonsense"})

    assert answer.status_code == status
    home = person.get(root).content.decode()
    assert (f'href="{root}start/"' in home) is (status == 200)
    if status == 200:
        assert answer["Content-Security-Policy"] == LIVE_POLICY
        assert "keys begin with tg_" in text(answer.content)


def test_the_last_request_before_is_told_while_it_waits(use: Use) -> None:
    member = member_of(use, "developer")
    commit(make_epoch(started_at=use.admitted_at), use)

    page = f"/console/{member.tenant.slug}/start/"
    said = text(sign_in(Client(), member.user).get(page).content)

    assert "Waiting for your request" in said
    assert f"The last one before was at {use.admitted_at:%Y-%m-%d %H:%M:%S} UTC" in said


def test_the_model_that_was_chosen_stays_chosen(use: Use) -> None:
    member = member_of(use, "developer")
    book = make_book(currency=member.tenant.currency)
    make_model(name="a-first-model")
    make_model(name="no-price-model")
    make_model(name="z-last-model")
    with as_operator():
        version = pricing.draft_version(book=book, effective_at=LONG_AGO)
        for name in ("a-first-model", "z-last-model"):
            pricing.set_price(
                version=version,
                model=name,
                input_per_million="1",
                cached_input_per_million="1",
                output_per_million="1",
            )
        pricing.publish_version(version=version, now=LONG_AGO)
    make_assignment(tenant=member.tenant, book=book)

    page = f"/console/{member.tenant.slug}/start/"
    answer = sign_in(Client(), member.user).get(page, {"model": "z-last-model"})

    said = answer.content.decode()
    assert "<option selected>z-last-model</option>" in said
    assert "no-price-model" not in said
