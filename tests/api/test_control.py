"""Models and replicas over HTTP: what goes in, what comes out, what is refused."""

from typing import Any

import pytest
from django.test import Client

from tests.api.callers import Callers
from tests.factories.control import make_model, make_replica
from tests.factories.tenants import make_tenant

JSON = "application/json"
API = "/api/v1/"
URL = "http://10.0.0.5:8000"


def post(client: Client, path: str, body: dict[str, Any] | None = None) -> Any:
    """Send a JSON body."""
    return client.post(API + path, body or {}, content_type=JSON)


def patch(client: Client, path: str, body: dict[str, Any]) -> Any:
    """Send a JSON change."""
    return client.patch(API + path, body, content_type=JSON)


def test_a_model_is_created_read_changed_disabled_and_enabled(
    operator: Client,
) -> None:
    created = post(operator, "models/", {"name": "org/demo", "context_tokens": 8192})
    assert created.status_code == 201
    model = created.json()
    assert model == {
        "id": model["id"],
        "name": "org/demo",
        "description": "",
        "context_tokens": 8192,
        "max_output_tokens": None,
        "tokenizer": "",
        "tasks": ["chat", "completion"],
        "modalities": ["text"],
        "base": None,
        "adapter": "",
        "defaults": {},
        "choices_max": None,
        "allows_tools": True,
        "cache_s": 0,
        "policy": "prefix_aware",
        "canary_permille": 0,
        "queue_max": 1000,
        "queue_ms": 30_000,
        "wake_ms": 0,
        "fallbacks": [],
        "enabled": True,
        "retires_at": None,
        "successor": None,
        "created_at": model["created_at"],
    }
    one = f"models/{model['id']}/"
    assert operator.get(API + one).json() == model
    assert patch(operator, one, {"max_output_tokens": 100}).json() == {
        **model,
        "max_output_tokens": 100,
    }
    assert patch(operator, one, {"max_output_tokens": None}).json() == model
    assert post(operator, one + "disable/").json()["enabled"] is False
    assert operator.get(API + "models/?enabled=true").json()["data"] == []
    assert post(operator, one + "enable/").json() == model


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"context_tokens": 1}, "name"),
        ({"name": "a b", "context_tokens": 1}, "name"),
        ({"name": "demo", "context_tokens": 0}, "context_tokens"),
        ({"name": "demo", "context_tokens": 2**31}, "context_tokens"),
        ({"name": "demo", "context_tokens": "many"}, "context_tokens"),
        (
            {"name": "demo", "context_tokens": 10, "max_output_tokens": 11},
            "max_output_tokens",
        ),
    ],
)
def test_a_wrong_model_is_400_and_names_the_field(
    operator: Client, body: dict[str, Any], param: str
) -> None:
    response = post(operator, "models/", body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_a_model_s_settings_are_changed_and_refused(operator: Client) -> None:
    base, row = make_model(name="base"), make_model(name="tuned")
    make_model(name="other")
    one = f"models/{row.pk}/"
    settings = {
        "tasks": ["chat"],
        "modalities": ["image", "text"],
        "base": "base",
        "adapter": "lora-7",
        "defaults": {"temperature": 0.5},
        "choices_max": 2,
        "allows_tools": False,
        "cache_s": 60,
        "policy": "least_loaded",
        "canary_permille": 25,
        "queue_max": 0,
        "queue_ms": 1,
        "wake_ms": 600_000,
        "fallbacks": ["other"],
    }
    assert patch(operator, one, settings).json().items() >= settings.items()
    for wrong, param in (
        ({"defaults": {"temperature": "hot"}}, "defaults"),
        ({"defaults": {"n": 2}}, "defaults"),
        ({"tasks": []}, "tasks"),
        ({"tokenizer": "p50k_base"}, "tokenizer"),
        ({"tasks": ["dream"]}, "tasks.0"),
        ({"modalities": ["smell"]}, "modalities.0"),
        ({"base": "nothing"}, "base"),
        ({"base": "tuned"}, "base"),
        ({"base": None}, "adapter"),
        ({"choices_max": 17}, "choices_max"),
        ({"cache_s": -1}, "cache_s"),
        ({"policy": "random"}, "policy"),
        ({"canary_permille": 1001}, "canary_permille"),
        ({"queue_max": -1}, "queue_max"),
        ({"queue_ms": 0}, "queue_ms"),
        ({"wake_ms": 3_600_001}, "wake_ms"),
        ({"fallbacks": ["nothing"]}, "fallbacks.0"),
        ({"fallbacks": ["tuned"]}, "fallbacks"),
        ({"fallbacks": ["base"]}, "fallbacks"),
        ({"fallbacks": ["other", "other"]}, "fallbacks"),
    ):
        refused = patch(operator, one, wrong)
        assert refused.status_code == 400, wrong
        assert refused.json()["error"]["param"] == param
    assert patch(operator, f"models/{base.pk}/", {"base": "tuned"}).status_code == 400


def test_an_alias_is_created_repointed_disabled_and_enabled(operator: Client) -> None:
    make_model(name="first"), make_model(name="second")
    created = post(operator, "model-aliases/", {"name": "nick", "model": "first"})
    assert created.status_code == 201
    alias = created.json()
    assert (alias["model"], alias["enabled"]) == ("first", True)
    one = f"model-aliases/{alias['id']}/"
    assert patch(operator, one, {"model": "second"}).json()["model"] == "second"
    assert patch(operator, one, {"name": "other"}).status_code == 400
    assert post(operator, one + "disable/").json()["enabled"] is False
    assert operator.get(API + "model-aliases/?enabled=true").json()["data"] == []
    assert post(operator, one + "enable/").json()["enabled"] is True
    listed = operator.get(API + "model-aliases/?model=second").json()["data"]
    assert [each["name"] for each in listed] == ["nick"]
    for name, status in (("nick", 409), ("first", 409), ("a b", 400)):
        body = {"name": name, "model": "first"}
        assert post(operator, "model-aliases/", body).status_code == status
    assert (
        post(operator, "models/", {"name": "nick", "context_tokens": 1}).status_code
        == 409
    )


def test_a_context_is_not_cut_below_the_longest_answer(operator: Client) -> None:
    model = make_model(context_tokens=100, max_output_tokens=50)
    response = patch(operator, f"models/{model.pk}/", {"context_tokens": 40})
    assert response.status_code == 400
    model.refresh_from_db()
    assert model.context_tokens == 100


def test_taken_names_are_409(operator: Client) -> None:
    replica = make_replica(model=make_model(name="demo"), name="engine-1")
    model = post(operator, "models/", {"name": "demo", "context_tokens": 1})
    body = {"model": "demo", "name": replica.name, "url": URL}
    assert model.status_code == post(operator, "replicas/", body).status_code == 409


def test_a_replica_is_added_changed_drained_disabled_and_activated(
    operator: Client,
) -> None:
    make_model(name="demo")
    body = {"model": "demo", "name": "engine-1", "url": URL}
    created = post(operator, "replicas/", body)
    assert created.status_code == 201
    replica = created.json()
    assert replica == {
        **body,
        "id": replica["id"],
        "dialect": "vllm",
        "upstream_model": "",
        "credential": "",
        "auth": "bearer",
        "options": {},
        "slots": 256,
        "weight": 100,
        "canary": False,
        "state": "active",
        "created_at": replica["created_at"],
    }
    one = f"replicas/{replica['id']}/"
    assert operator.get(API + one).json() == replica
    changes = {"dialect": "openai", "credential": "ENGINE_KEY_1", "canary": True}
    changes |= {"slots": 8, "weight": 1}
    assert patch(operator, one, changes).json() == {**replica, **changes}
    for act, state in (
        ("drain", "draining"),
        ("disable", "disabled"),
        ("activate", "active"),
    ):
        assert post(operator, f"{one}{act}/").json()["state"] == state


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"url": "10.0.0.5:8000"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "http://user:pw@10.0.0.5"}, "url"),
        ({"url": "http://10.0.0.5/?x=1"}, "url"),
        ({"dialect": "morse"}, "dialect"),
        ({"credential": "PATH"}, "credential"),
        ({"credential": "sk-live-1234"}, "credential"),
        ({"model": "nothing"}, "model"),
        ({"model": "a\0b"}, "model"),
        ({"model": ["demo"]}, "model"),
        ({"name": ""}, "name"),
        ({"slots": 0}, "slots"),
        ({"weight": 1001}, "weight"),
    ],
)
def test_a_wrong_replica_is_400_and_names_the_field(
    operator: Client, change: dict[str, Any], param: str
) -> None:
    make_model(name="demo")
    body = {"model": "demo", "name": "engine-1", "url": URL, **change}
    response = post(operator, "replicas/", body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_replicas_are_narrowed_by_model_and_state(operator: Client) -> None:
    one, other = make_replica(), make_replica()
    post(operator, f"replicas/{other.pk}/drain/")
    by_model = operator.get(f"{API}replicas/?model={one.model.name}").json()["data"]
    by_state = operator.get(f"{API}replicas/?state=draining").json()["data"]
    assert [row["id"] for row in by_model] == [one.pk]
    assert [row["id"] for row in by_state] == [other.pk]
    patch(operator, f"replicas/{one.pk}/", {"canary": True})
    canaries = operator.get(f"{API}replicas/?canary=true").json()["data"]
    assert [row["id"] for row in canaries] == [one.pk]


def test_tenants_see_nothing_of_how_a_model_is_served(caller: Callers) -> None:
    operator = caller()
    offered, withheld = make_model(name="offered"), make_model(name="withheld")
    row = make_model(
        name="demo",
        base=make_model(name="base"),
        adapter="lora-7",
        policy="least_loaded",
        canary_permille=25,
        fallbacks=[withheld, offered],
    )
    post(operator, f"models/{withheld.pk}/disable/")
    one = f"{API}models/{row.pk}/"
    assert operator.get(one).json()["fallbacks"] == ["withheld", "offered"]
    shown = caller(tenant=make_tenant()).get(one).json()
    assert shown["fallbacks"] == ["offered"]
    for name in ("adapter", "policy", "canary_permille", "queue_max", "queue_ms"):
        assert shown[name] is None, name
    assert shown["wake_ms"] is None
