"""The admin's pages of models and replicas load, act, and delete nothing."""

import datetime as dt

import pytest
from django.test import Client

from inference.control.models import (
    Calibration,
    ModelAlias,
    Publication,
    Replica,
    ServedModel,
)
from inference.openai.prompt_bound import PromptBound
from kit.orm.atomic import atomic
from tests.admin import (
    action,
    confirm,
    page,
    signed_in,
    submit,
    words,
)
from tests.factories.control import make_alias, make_model, make_replica

MODEL, REPLICA = "control_servedmodel", "control_replica"
ALIAS = "control_modelalias"
# What the page of a model says of its routing, unless it is changed.
SERVING = {
    "cache_s": "0",
    "policy": "prefix_aware",
    "canary_permille": "0",
    "queue_max": "1000",
    "queue_ms": "30000",
    "wake_ms": "0",
}


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def make(model: str) -> int:
    """Create a row of the named model and return its id."""
    if model == ALIAS:
        return make_alias().pk
    return make_model().pk if model == MODEL else make_replica().pk


@pytest.mark.parametrize("model", [MODEL, REPLICA, ALIAS])
def test_pages_load_and_search(admin: Client, model: str) -> None:
    row = make(model)
    for address in (
        page(model, "changelist"),
        page(model, "changelist") + "?q=engine",
        page(model, "add"),
        page(model, "change", row),
        page(model, "history", row),
    ):
        assert admin.get(address).status_code == 200, address
    assert admin.post(page(model, "delete", row), {"post": "yes"}).status_code == 403


def test_a_model_is_created_changed_and_published(admin: Client) -> None:
    form = {"name": "demo", "context_tokens": "8192", "max_output_tokens": ""}
    form |= SERVING
    assert admin.post(page(MODEL, "add"), form).status_code == 302
    row = ServedModel.objects.get(name="demo")
    form = {"name": "other", "context_tokens": "4096", "max_output_tokens": "100"}
    form["policy"] = "least_loaded"
    assert submit(admin, page(MODEL, "change", row.pk), form).status_code == 302
    row.refresh_from_db()
    assert row.name == "demo"
    entry = Publication.objects.get(kind=Publication.Kind.MODEL, key="demo")
    assert entry.body is not None
    assert entry.body["context_tokens"] == 4096
    assert entry.body["max_output_tokens"] == 100
    assert entry.body["policy"] == "least_loaded"


def test_what_a_model_makes_of_requests_is_written_and_refused(admin: Client) -> None:
    base = make_model()
    row = make_model(name="tuned")
    address = page(MODEL, "change", row.pk)
    said = {
        "base": str(base.pk),
        "adapter": "lora-7",
        "defaults": '{"temperature": 0.5}',
        "choices_max": "2",
        "cache_s": "60",
        "policy": "round_robin",
        "tasks": ["chat", "embedding"],
        "modalities": ["image", "text"],
    }
    assert submit(admin, address, said).status_code == 302
    row.refresh_from_db()
    assert (row.base, row.adapter, row.choices_max) == (base, "lora-7", 2)
    assert (row.defaults, row.cache_s) == ({"temperature": 0.5}, 60)
    assert row.tasks == ["chat", "embedding"]
    assert row.modalities == ["image", "text"]
    for wrong in ('{"temperature": "hot"}', "[]", "{"):
        refused = submit(admin, address, {**said, "defaults": wrong})
        assert refused.status_code == 200
    emptied = {**said, "defaults": "", "tasks": [], "modalities": []}
    assert submit(admin, address, emptied).status_code == 302
    row.refresh_from_db()
    assert (row.defaults, row.tasks) == ({}, ["chat", "completion"])
    assert row.modalities == ["text"]


def test_an_alias_is_created_repointed_disabled_and_enabled(admin: Client) -> None:
    first, second = make_model(), make_model()
    form = {"name": "nick", "model": first.pk}
    assert admin.post(page(ALIAS, "add"), form).status_code == 302
    row = ModelAlias.objects.get(name="nick")
    changed = {"model": str(second.pk)}
    assert submit(admin, page(ALIAS, "change", row.pk), changed).status_code == 302
    row.refresh_from_db()
    assert row.model == second
    for name, enabled in (("disable", False), ("enable", True)):
        confirm(admin, action(ALIAS, name, row.pk))
        row.refresh_from_db()
        assert row.enabled is enabled


def test_an_answer_longer_than_the_context_is_said_on_the_form(admin: Client) -> None:
    form = {"name": "demo", "context_tokens": "100", "max_output_tokens": "200"}
    response = admin.post(page(MODEL, "add"), form)
    assert response.status_code == 200
    assert "holds 100 tokens" in words(response.content)
    broken = {"name": "demo", "context_tokens": "", "max_output_tokens": "200"}
    assert admin.post(page(MODEL, "add"), broken).status_code == 200


def test_a_replica_is_added_and_changed(admin: Client) -> None:
    model = make_model()
    form = {
        "model": model.pk,
        "name": "engine-1",
        "url": "http://10.0.0.5:8000",
        "dialect": "vllm",
        "auth": "bearer",
        "options": "",
        "slots": "64",
        "weight": "50",
        "canary": "on",
    }
    assert admin.post(page(REPLICA, "add"), form).status_code == 302
    row = Replica.objects.get(name="engine-1")
    assert (row.slots, row.weight, row.canary) == (64, 50, True)
    changed = {"url": "http://10.0.0.6:8000", "dialect": "openai", "auth": "bearer"}
    assert submit(admin, page(REPLICA, "change", row.pk), changed).status_code == 302
    row.refresh_from_db()
    assert (row.url, row.dialect) == ("http://10.0.0.6:8000", "openai")


@pytest.mark.parametrize(
    ("name", "state"),
    [("drain", "draining"), ("disable", "disabled"), ("activate", "active")],
)
def test_replica_actions_act_when_confirmed(
    admin: Client, name: str, state: str
) -> None:
    replica = make_replica()
    start = "disabled" if name == "activate" else "active"
    if name == "activate":
        confirm(admin, action(REPLICA, "disable", replica.pk))
    admin.get(action(REPLICA, name, replica.pk))
    replica.refresh_from_db()
    assert replica.state == start
    assert confirm(admin, action(REPLICA, name, replica.pk)).status_code == 302
    replica.refresh_from_db()
    assert replica.state == state


def test_a_model_is_disabled_and_enabled(admin: Client) -> None:
    model = make_model()
    confirm(admin, action(MODEL, "disable", model.pk))
    model.refresh_from_db()
    assert not model.enabled
    confirm(admin, action(MODEL, "enable", model.pk))
    model.refresh_from_db()
    assert model.enabled


def test_a_model_s_page_says_how_its_prompts_are_bound(admin: Client) -> None:
    model = make_model()
    address = page(MODEL, "change", model.pk)
    text = words(admin.get(address).content)
    assert "Not asked yet: the default holds." in text
    assert "1 tokens for each byte of text and 5 of structure" in text
    confirm(admin, action(MODEL, "recalibrate", model.pk))
    assert "To be asked of its engines anew." in words(admin.get(address).content)
    with atomic():
        Calibration.objects.filter(model=model).update(
            state="calibrated",
            factors=PromptBound(per_byte_milli=550).published(),
            replicas=[{"name": "engine-1", "said": "counted 141 of 141 probes"}],
            calibrated_at=dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC),
        )
    text = words(admin.get(address).content)
    assert "Counted by its engines. Last counted 2026-11-21 12:00 UTC." in text
    assert "0.55 tokens for each byte" in text
    assert "engine-1 counted 141 of 141 probes." in text


def test_the_front_page_says_what_is_unserved(admin: Client) -> None:
    make_replica(model=make_model(name="served"))
    make_model(name="lonely")
    text = words(admin.get("/admin/").content)
    assert "1 model without an active replica lonely: calls are told" in text
