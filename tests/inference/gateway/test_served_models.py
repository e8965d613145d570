"""Aliases, adapters, defaults and caps, through the gateway to engines that tell."""

import datetime as dt
from typing import Any

import httpx
import pytest

from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.meter import NOW_US
from tests.inference.gateway.running import RunningGateway

CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "hello there"}],
    "max_tokens": 2,
}
MODEL: dict[str, Any] = {
    "context_tokens": 32_768,
    "max_output_tokens": None,
    "created": 1,
}


def chat(
    gateway: RunningGateway, model: str, key: str = "", **fields: Any
) -> httpx.Response:
    """Ask a model."""
    return httpx.post(
        f"{gateway.url}/v1/chat/completions",
        headers={"authorization": f"Bearer {key or gateway.key}"},
        json={**CHAT, "model": model, **fields},
        trust_env=False,
    )


def cards(gateway: RunningGateway, key: str = "") -> dict[str, Any]:
    """List the models by name."""
    headers = {"authorization": f"Bearer {key or gateway.key}"}
    answer = httpx.get(f"{gateway.url}/v1/models", headers=headers, trust_env=False)
    return {card["id"]: card for card in answer.json()["data"]}


class TestAliases:
    """An alias is found, and everything after knows the served model."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_events_limits_and_answers_see_the_served_model(
        self, gateway: RunningGateway, model: str, stream: bool
    ) -> None:
        gateway.publish("alias", "nickname", {"model": model})
        answer = chat(gateway, "nickname", stream=stream)
        assert answer.status_code == 200
        assert f'"{model}"' in answer.text
        assert '"nickname"' not in answer.text
        (admission,) = gateway.meter.admissions
        assert admission.price.model == model

    def test_it_is_repointed_and_taken_away(
        self, gateway: RunningGateway, simulator: RunningSimulator, model: str
    ) -> None:
        other = gateway.serve(simulator.base_url, upstream_model="sim")
        gateway.publish("alias", "moving", {"model": model})
        gateway.publish("alias", "moving", {"model": other})
        assert chat(gateway, "moving").json()["model"] == other
        gateway.publish("alias", "moving", None)
        assert chat(gateway, "moving").status_code == 404

    def test_a_key_reaches_it_as_it_reaches_its_model(
        self, gateway: RunningGateway, model: str
    ) -> None:
        gateway.publish("alias", "kept", {"model": model})
        may = gateway.issue_key(tenant_id=91, models=[model])
        may_not = gateway.issue_key(tenant_id=91, models=["kept", "another"])
        assert chat(gateway, "kept", may).status_code == 200
        refused = chat(gateway, "kept", may_not)
        assert refused.status_code == 404
        # As of one that does not exist, and without a word of what it leads to.
        unknown = chat(gateway, "kapt", may_not)
        assert refused.json()["error"] == {
            **unknown.json()["error"],
            "message": unknown.json()["error"]["message"].replace("kapt", "kept"),
        }
        assert cards(gateway, may).keys() == {model, "kept"}
        assert not cards(gateway, may_not)

    def test_it_is_listed_with_the_model_that_answers(
        self, gateway: RunningGateway, model: str
    ) -> None:
        gateway.publish("alias", "listed", {"model": model})
        listed = cards(gateway)
        assert listed["listed"] == {**listed[model], "id": "listed"}
        assert listed["listed"]["root"] == model
        assert gateway.client.get("/v1/models/listed").json() == listed["listed"]

    def test_one_to_nothing_is_no_model_and_a_model_goes_first(
        self, gateway: RunningGateway, model: str
    ) -> None:
        gateway.publish("alias", "void", {"model": "gone"})
        assert chat(gateway, "void").status_code == 404
        assert "void" not in cards(gateway)
        # The control side lets no such pair be.
        gateway.publish("alias", model, {"model": "gone"})
        assert chat(gateway, model).status_code == 200


class TestRetired:
    """A model that retired is refused with what to call instead, and not listed."""

    def test_before_its_instant_it_answers_and_then_names_its_successor(
        self, gateway: RunningGateway, simulator: RunningSimulator, model: str
    ) -> None:
        now_s = NOW_US // 1_000_000
        old, older = f"{model}-old", f"{model}-older"
        body = {**MODEL, "retires_at": now_s + 1, "successor": model}
        gateway.publish("model", old, body)
        gateway.publish("alias", older, {"model": old})
        assert {old, older} <= cards(gateway).keys()

        gateway.publish("model", old, {**body, "retires_at": now_s})

        for name in (old, older):
            refused = chat(gateway, name)
            assert refused.status_code == 404
            assert refused.json()["error"] == {
                "message": f"The model '{old}' was retired on"
                f" {dt.datetime.fromtimestamp(now_s, dt.UTC):%Y-%m-%d}."
                f" Call '{model}' instead.",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_retired",
            }
            shown = gateway.client.get(f"/v1/models/{name}")
            assert shown.json()["error"]["code"] == "model_retired"
        assert not {old, older} & cards(gateway).keys()
        assert not gateway.meter.admissions

    def test_of_several_that_retired_the_last_ones_successor_is_named(
        self, gateway: RunningGateway, model: str
    ) -> None:
        gone = {**MODEL, "retires_at": 1}
        gateway.publish("model", "first", {**gone, "successor": "second"})
        gateway.publish("model", "second", {**gone, "successor": model})
        assert f"Call '{model}'" in chat(gateway, "first").json()["error"]["message"]
        # The control side lets no circle be.
        gateway.publish("model", "second", {**gone, "successor": "first"})
        said = chat(gateway, "first").json()["error"]["message"]
        assert said == "The model 'first' was retired on 1970-01-01."

    def test_a_key_that_is_kept_from_it_learns_nothing(
        self, gateway: RunningGateway, model: str
    ) -> None:
        gateway.publish("model", "old", {**MODEL, "retires_at": 1})
        kept = gateway.issue_key(tenant_id=91, models=[model])
        assert chat(gateway, "old", kept).json()["error"]["code"] == "model_not_found"


class TestAdapters:
    """A LoRA adapter is a model that its base's replicas serve under its own name."""

    @pytest.fixture
    def model(self, gateway: RunningGateway, simulator: RunningSimulator) -> str:
        """Publish a model by whose name the engine knows nothing."""
        return gateway.serve(simulator.base_url, upstream_model="the base")

    @pytest.fixture
    def adapter(self, gateway: RunningGateway, model: str) -> str:
        """Publish an adapter of the model, which the engine does know."""
        name = f"{model}-tuned"
        body = {**MODEL, "base": model, "adapter": "sim"}
        gateway.publish("model", name, body)
        return name

    def test_its_base_s_replica_is_asked_for_the_adapter(
        self, gateway: RunningGateway, model: str, adapter: str
    ) -> None:
        by_model = gateway.snapshot.replicas_by_model
        base, own = by_model[model], by_model[adapter]
        assert [each.id for each in own] == [each.id for each in base]
        assert [each.upstream_model for each in own] == ["sim"]
        answer = chat(gateway, adapter)
        assert answer.json()["model"] == adapter
        (admission,) = gateway.meter.admissions
        assert admission.price.model == adapter
        assert cards(gateway)[adapter]["parent"] == model
        assert cards(gateway)[model]["parent"] is None

    def test_it_follows_its_base_and_prefers_replicas_of_its_own(
        self,
        gateway: RunningGateway,
        simulator: RunningSimulator,
        model: str,
        adapter: str,
    ) -> None:
        (base,) = gateway.snapshot.replicas_by_model[model]
        gateway.publish("replica", str(base.id), None)
        assert chat(gateway, adapter).status_code == 503
        replica = {
            "model": adapter,
            "name": "its own",
            "url": simulator.base_url,
            "dialect": "vllm",
            "upstream_model": "sim",
            "credential": "",
            "state": "active",
        }
        gateway.publish("replica", "900001", replica)
        assert chat(gateway, adapter).status_code == 200
        (own,) = gateway.snapshot.replicas_by_model[adapter]
        assert own.name == "its own"
        gateway.publish("replica", "900001", None)
        gateway.publish("replica", "900002", {**replica, "model": model})
        (again,) = gateway.snapshot.replicas_by_model[adapter]
        assert (again.id, again.upstream_model) == (900002, "sim")


REFUSED = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}"


def refuse(side: EngineSide) -> None:
    """Refuse whatever is asked; what it was is kept."""
    if side.request() is not None:
        side.send(REFUSED)


class TestRules:
    """A model's word holds where the request says nothing; what it forbids is 400."""

    def rule(self, gateway: RunningGateway, model: str, **rules: Any) -> None:
        """Publish a model anew with rules."""
        gateway.publish("model", model, {**MODEL, **rules})

    @pytest.mark.parametrize(
        ("rules", "fields", "param"),
        [
            ({"choices_max": 2}, {"n": 3}, "n"),
            ({"allows_tools": False}, {"tools": [{"type": "function"}]}, "tools"),
        ],
    )
    def test_what_it_forbids_is_400_and_admitted_nowhere(
        self,
        gateway: RunningGateway,
        model: str,
        rules: dict[str, Any],
        fields: dict[str, Any],
        param: str,
    ) -> None:
        self.rule(gateway, model, **rules)
        refused = chat(gateway, model, **fields)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == param
        assert not gateway.meter.admissions

    def test_as_much_as_it_allows_is_served(
        self, gateway: RunningGateway, model: str
    ) -> None:
        self.rule(gateway, model, choices_max=2, allows_tools=False)
        assert chat(gateway, model, n=2, tools=[]).status_code == 200
        body = {"model": model, "prompt": ["a", "b", "c"], "max_tokens": 1}
        several = gateway.client.post("/v1/completions", json=body)
        assert several.status_code == 200

    @pytest.mark.parametrize(
        ("fields", "sent"),
        [
            ({}, {"temperature": 0.6, "chat_template_kwargs": {"a": 1, "b": 2}}),
            ({"temperature": 0, "top_k": 5}, {"temperature": 0, "top_k": 5}),
            (
                {"chat_template_kwargs": {"b": 3, "c": 4}},
                {"chat_template_kwargs": {"a": 1, "b": 3, "c": 4}},
            ),
        ],
    )
    def test_its_defaults_are_sent_where_the_request_says_nothing(
        self, gateway: RunningGateway, fields: dict[str, Any], sent: dict[str, Any]
    ) -> None:
        kwargs = {"a": 1, "b": 2}
        defaults = {"temperature": 0.6, "chat_template_kwargs": kwargs}
        with scripted_engine(refuse) as engine:
            model = gateway.serve(engine.url)
            self.rule(gateway, model, defaults=defaults)
            assert chat(gateway, model, **fields).status_code == 400
            assert sent.items() <= engine.requests[0].json.items()
            # The next request is not told what this one said.
            chat(gateway, model)
            assert defaults.items() <= engine.requests[1].json.items()

    def test_completions_get_no_chat_s_defaults(self, gateway: RunningGateway) -> None:
        with scripted_engine(refuse) as engine:
            model = gateway.serve(engine.url)
            defaults = {"temperature": 0.6, "reasoning_effort": "low"}
            self.rule(gateway, model, defaults=defaults)
            gateway.client.post("/v1/completions", json={"model": model, "prompt": "a"})
            sent = engine.requests[0].json
        assert sent["temperature"] == 0.6
        assert "reasoning_effort" not in sent
