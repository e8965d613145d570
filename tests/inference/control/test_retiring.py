"""A model retires when it was said to, and whoever takes over from it is there then."""

import datetime as dt
from typing import Any

import pytest

from inference.control import retiring, services
from inference.control.models import Publication, ServedModel
from inference.control.selectors import callable_models
from kit.errors import InvalidRequest
from kit.orm.roles import as_operator, as_tenant
from tenants.catalog import Retirement, retirements
from tests.factories.control import make_model
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def retire(
    model: ServedModel, days: int, successor: ServedModel | None = None
) -> ServedModel:
    """Plan a model's retirement in so many days."""
    with as_operator():
        return retiring.plan_retirement(
            model=model, retires_at=NOW + days * DAY, successor=successor, now=NOW
        )


def published(name: str) -> dict[str, Any]:
    """Return what gateways are told of a model."""
    with as_operator():
        body = Publication.objects.get(kind="model", key=name).body
    assert body is not None
    return dict(body)


def test_it_is_published_with_its_instant_and_successor_and_called_off() -> None:
    old, new = make_model(name="old"), make_model(name="new")

    retire(old, 30, new)

    body = published("old")
    assert body["retires_at"] == int((NOW + 30 * DAY).timestamp())
    assert body["successor"] == "new"
    with as_tenant(make_tenant().pk):
        assert retirements() == [Retirement("old", NOW + 30 * DAY, "new")]
        later = NOW + 30 * DAY
        assert [row.name for row in callable_models(now=later)] == ["new"]
        before = later - dt.timedelta.resolution
        assert callable_models(now=before).count() == 2
    with as_operator():
        retiring.call_off_retirement(model=old)
        retiring.call_off_retirement(model=old)
    assert not {"retires_at", "successor"} & published("old").keys()
    assert retirements() == []


def test_who_takes_over_is_not_named_while_it_is_disabled() -> None:
    old, new = make_model(name="old"), make_model(name="new")
    retire(old, 30, new)

    with as_operator():
        services.disable_model(model=new)
        assert [each.successor for each in retirements()] == [""]
        services.enable_model(model=new)
        assert [each.successor for each in retirements()] == ["new"]


def test_who_takes_over_is_looked_at_as_it_is_by_then() -> None:
    old, new = make_model(name="old"), make_model(name="new")
    with as_operator():
        services.disable_model(model=new)

    assert new.enabled
    with pytest.raises(InvalidRequest, match="it is disabled"):
        retire(old, 30, new)


def test_who_takes_over_goes_on_serving_as_much() -> None:
    old, new = make_model(name="old"), make_model(name="new")
    retire(old, 30, new)

    with as_operator():
        with pytest.raises(InvalidRequest, match="'old', which serves completion"):
            services.update_model(model=new, tasks=["chat"])
        services.update_model(model=new, tasks=["chat", "completion", "embedding"])
        services.update_model(model=old, tasks=["chat"])
        services.update_model(model=new, tasks=["chat"])


@pytest.mark.parametrize("days", [0, -1, 5000])
def test_an_instant_that_is_over_or_far_away_is_refused(days: int) -> None:
    with pytest.raises(InvalidRequest, match="within three years") as refused:
        retire(make_model(name="old"), days)
    assert refused.value.param == "retires_at"


def test_a_successor_must_be_another_offered_serve_as_much_and_live_longer() -> None:
    old, new = make_model(name="old"), make_model(name="new")
    embeds = make_model(name="embeds", tasks=["embedding"])
    with pytest.raises(InvalidRequest, match="they are one"):
        retire(old, 30, old)
    with pytest.raises(InvalidRequest, match="does not serve chat, completion"):
        retire(old, 30, embeds)
    retire(new, 30)
    new.refresh_from_db()
    with pytest.raises(InvalidRequest, match="does not outlast it"):
        retire(old, 30, new)
    retire(old, 29, new)
    with as_operator():
        services.disable_model(model=embeds)
        embeds.refresh_from_db()
    with pytest.raises(InvalidRequest, match="it is disabled"):
        retire(new, 40, embeds)


def test_who_takes_over_retires_after_whom_it_takes_over_from() -> None:
    old, new = make_model(name="old"), make_model(name="new")
    retire(old, 30, new)

    with pytest.raises(InvalidRequest, match="takes over from 'old' later"):
        retire(new, 20)

    retire(new, 40)
