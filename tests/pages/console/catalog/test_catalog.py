"""Members see what they may call, what it costs their tenant, and when that changes."""

import datetime as dt
from dataclasses import replace

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inference.control.models import Pulse
from inference.control.offered import ModelState, model_states
from inference.control.retiring import plan_retirement
from inference.control.services import disable_model
from kit.contracts import TokenCounts
from kit.money import format_picos
from kit.orm.roles import APP, as_operator, as_tenant
from metering.pricing import services as pricing
from metering.pricing.assigning import assign_book
from metering.pricing.rating import charge_picos
from metering.pricing.selectors import price_in_force
from metering.usage.selectors import database_now
from tenants.models import Member
from tests.factories.accounts import sign_in
from tests.factories.control import make_model, make_replica
from tests.factories.tenants import make_member
from tests.factories.usage import commit, make_epoch, make_use
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")

QUOTES = {
    "input_per_million": "3.20",
    "cached_input_per_million": "0.32",
    "output_per_million": "9.60",
}
QUERIES_MAX = 45
LISTED = "Prices of a million tokens, USD"


def priced(
    *names: str, role: str = "viewer", before: dt.timedelta = dt.timedelta()
) -> Member:
    """Make a member of a tenant that pays so much for each of these models.

    Its book has been in force so long before the tenant came to it.
    """
    member = make_member(role=role)
    with as_operator():
        now = database_now()
        then = now - before
        book = pricing.create_price_book(
            name="Standard", currency="USD", is_default=False
        )
        version = pricing.draft_version(book=book, effective_at=then)
        for name in names:
            pricing.set_price(version=version, model=name, **QUOTES)
        pricing.publish_version(version=version, now=then)
        assign_book(tenant=member.tenant, book=book, now=now)
    return member


def opened(member: Member, rest: str = "", **query: str | int) -> bytes:
    """Return a page of the models as the member sees it."""
    page = f"/console/{member.tenant.slug}/models/{rest}"
    answer = sign_in(Client(), member.user).get(page, query)
    assert answer.status_code == 200
    return answer.content


def test_the_list_tells_each_models_own_price_and_which_has_none() -> None:
    make_model(name="dear")
    make_model(name="unpriced")
    member = priced("dear")

    rows = {row[0].split()[0]: row for row in tables(opened(member))[LISTED][1:]}

    assert rows["dear"][3:6] == ["3.20", "0.32", "9.60"]
    assert rows["unpriced"][1] == "no price"
    assert rows["unpriced"][3:6] == ["none"] * 3


def test_prices_of_others_are_not_told() -> None:
    make_model(name="dear")
    member = priced("dear")
    stranger = make_member()

    assert tables(opened(stranger))[LISTED][1][3] == "none"
    assert tables(opened(member))[LISTED][1][3] == "3.20"


def test_a_change_that_is_published_is_shown_with_its_date_and_what_it_will_be() -> (
    None
):
    model = make_model(name="dear")
    member = priced("dear")
    with as_operator():
        now = database_now()
        (assigned,) = member.tenant.pricebookassignment_set.all()
        at = now + dt.timedelta(days=29)
        version = pricing.draft_version(
            book=assigned.book, effective_at=at, copy_from=assigned.book.versions.get()
        )
        dearer = QUOTES | {"output_per_million": "12.00"}
        pricing.set_price(version=version, model="dear", **dearer)
        pricing.publish_version(version=version, now=now)

    page = opened(member, f"{model.pk}/")
    then = tables(page)["Your prices, USD"]

    assert f"From {at:%Y-%m-%d %H:%M}" in then[0][2]
    assert [row[1:] for row in then[1:]] == [
        ["3.20", "3.20"],
        ["0.32", "0.32"],
        ["9.60", "12.00"],
    ]
    assert f"{at:%Y-%m-%d}" in text(opened(member))
    home = sign_in(Client(), member.user).get(f"/console/{member.tenant.slug}/")
    assert f"1 model price changes on {at:%Y-%m-%d %H:%M} UTC." in text(home.content)


def test_what_a_model_cost_costs_and_will_cost_is_told_and_leaves_as_a_file() -> None:
    model = make_model(name="dear")
    member = priced("dear")
    with as_operator():
        now = database_now()
        (assigned,) = member.tenant.pricebookassignment_set.all()
        before = assigned.book.versions.get()
        at = now + dt.timedelta(days=29)
        version = pricing.draft_version(
            book=assigned.book, effective_at=at, copy_from=before
        )
        dearer = QUOTES | {"output_per_million": "12.00"}
        pricing.set_price(version=version, model="dear", **dearer)
        pricing.publish_version(version=version, now=now)

    told = tables(opened(member, f"{model.pk}/"))["Your prices over time, USD"]
    file = opened(member, f"{model.pk}/", file="history").decode().splitlines()

    assert [[*row[2:5], row[6]] for row in told[1:]] == [
        ["3.20", "0.32", "12.00", "planned"],
        ["3.20", "0.32", "9.60", "in force"],
    ]
    assert told[1][0] == told[2][1] == f"{at:%Y-%m-%d %H:%M:%S}"
    assert [line.split(",")[4] for line in file] == ["output", "12.00", "9.60"]


def test_a_price_is_the_tenants_since_it_pays_it_however_old_the_book() -> None:
    model = make_model(name="dear")
    member = priced("dear", before=dt.timedelta(days=400))

    page = opened(member, f"{model.pk}/")

    (line,) = tables(page)["Your prices over time, USD"][1:]
    assert f"Since {line[0][:16]}" in tables(page)["Your prices, USD"][0]
    listed = tables(opened(member))[LISTED]
    since = dict(zip(listed[0], listed[1], strict=True))["Since"]
    assert since == line[0][:10]


def test_the_calculator_answers_what_rating_charges() -> None:
    model = make_model(name="dear")
    member = priced("dear")
    with as_operator():
        price = price_in_force(tenant=member.tenant, model="dear", at=database_now())
    counts = TokenCounts(
        input_tokens=7 * 900, cached_input_tokens=7 * 333, output_tokens=7 * 41
    )

    said = opened(
        member, f"{model.pk}/", input=1233, cached=333, output=41, requests=7
    ).decode()

    assert f'value="{format_picos(charge_picos(price, counts))}"' in said


@pytest.mark.parametrize(
    "wrong", [{"input": "-1"}, {"input": "many"}, {"input": "5", "cached": "6"}]
)
def test_a_use_that_cannot_be_is_refused_beside_its_field(
    wrong: dict[str, str],
) -> None:
    model = make_model(name="dear")
    member = priced("dear")

    said = opened(member, f"{model.pk}/", **wrong).decode()

    assert 'class="wrong"' in said
    assert "Spend:" not in said


def test_a_model_that_is_not_offered_is_not_there() -> None:
    model = make_model(name="dear")
    member = priced("dear")
    with as_operator():
        type(model).objects.filter(pk=model.pk).update(enabled=False)
    page = f"/console/{member.tenant.slug}/models/{model.pk}/"

    assert sign_in(Client(), member.user).get(page).status_code == 404


def test_a_model_that_retires_says_when_and_what_to_call_instead() -> None:
    old, new = make_model(name="old"), make_model(name="new")
    member = priced("old", "new")
    with as_operator():
        now = database_now()
        at = now + dt.timedelta(days=40)
        plan_retirement(model=old, retires_at=at, successor=new, now=now)

    (row,) = [row for row in tables(opened(member))[LISTED] if row[0].startswith("old")]
    page = text(opened(member, f"{old.pk}/"))

    assert row[1] == f"down retires {at:%Y-%m-%d}, then new"
    assert (
        f"It retires on {at:%Y-%m-%d %H:%M} UTC: from then on calls are refused. Call"
        " new instead." in page
    )
    with as_operator():
        type(old).objects.filter(pk=old.pk).update(retires_at=now)
    (row,) = [row for row in tables(opened(member))[LISTED] if row[0].startswith("old")]
    page = text(opened(member, f"{old.pk}/"))

    assert row[1] == f"retired since {now:%Y-%m-%d}, then new"
    assert "calls are refused. Call new instead." in page
    owner = make_member(tenant=member.tenant, role="owner")
    assert "Try it" in text(opened(owner, f"{new.pk}/"))
    assert "Try it" not in text(opened(owner, f"{old.pk}/"))
    for place in ("playground", "start"):
        console = f"/console/{member.tenant.slug}"
        answer = sign_in(Client(), owner.user).get(f"{console}/{place}/")
        said = answer.content.decode()
        assert answer.status_code == 200
        assert "new" in said
        assert '"old"' not in said
        assert ">old<" not in said


def test_nobody_is_led_to_a_successor_that_is_not_offered() -> None:
    old, new = make_model(name="old"), make_model(name="new")
    member = priced("old")
    with as_operator():
        now = database_now()
        at = now + dt.timedelta(days=40)
        plan_retirement(model=old, retires_at=at, successor=new, now=now)
        disable_model(model=new)

    page = opened(member, f"{old.pk}/")

    assert "from then on calls are refused." in text(page)
    assert f"/models/{new.pk}/" not in page.decode()
    ((_, state, *_),) = tables(opened(member))[LISTED][1:]
    assert state == f"down retires {at:%Y-%m-%d}"


def test_states_are_one_word_and_all_that_tenants_learn() -> None:
    models = [make_model(name=name) for name in ("whole", "half", "none", "bare")]
    rows = [
        make_replica(model=model, name=f"{model.name}-{number}")
        for model, count in zip(models, (1, 2, 1, 0), strict=True)
        for number in range(count)
    ]
    member = make_member()
    with as_operator():
        now = database_now()
    up = dict(zip((row.pk for row in rows), (True, True, False, False), strict=True))

    with as_tenant(member.tenant_id):
        assert set(model_states(now=now).values()) == {
            ModelState.UNKNOWN,
            ModelState.DOWN,
        }
    with as_operator():
        Pulse.objects.create(
            gateway="one",
            at=now,
            started_at=now,
            body={"replicas": {pk: {"is_up": each} for pk, each in up.items()}},
        )
    with as_tenant(member.tenant_id):
        found = model_states(now=now)

    states = [found[model.pk] for model in models]
    assert states == ["ready", "degraded", "down", "down"]


def test_speeds_are_of_ones_own_latest_requests_and_cost_the_same() -> None:
    with as_operator():
        now = database_now()
    make_model(name="dear")
    member = priced("dear", role="owner")
    with as_operator():
        price = price_in_force(tenant=member.tenant, model="dear", at=database_now())
    use = make_use(price=price, admitted_at=now, tenant=member.tenant)
    commit(make_epoch(started_at=now), use, replace(use))
    person = sign_in(Client(), member.user)

    with CaptureQueriesContext(connections[APP]) as made:
        answer = person.get(f"/console/{member.tenant.slug}/models/")

    assert len(made) < QUERIES_MAX
    assert tables(answer.content)[LISTED][1][8] == "1"
