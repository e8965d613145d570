"""How long a prompt is, told for nothing: as the engine counts, within the limits."""

from typing import Any

import httpx
import pytest

from inference.engines.simulator.tokens import chat_tokens
from inference.openai.tasks import Task
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.limited import rate
from tests.inference.gateway.running import RunningGateway
from tests.inference.openai.test_media import image, picture

MESSAGES = [{"role": "user", "content": "one two three"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}


def tokenize(gateway: RunningGateway, model: str, **fields: Any) -> httpx.Response:
    """Ask how long a prompt is."""
    return gateway.client.post("/v1/tokenize", json={"model": model, **fields})


def test_a_text_and_a_chat_are_as_long_as_the_engine_says(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    told = tokenize(gateway, model, prompt="one two three")
    assert told.json() == {"count": 3, "max_model_len": 32_768}
    chat = tokenize(gateway, model, messages=MESSAGES, tools=[TOOL])
    assert chat.json()["count"] == len(chat_tokens(MESSAGES, tools=[TOOL]))
    assert not gateway.meter.admissions
    assert simulator.stats()["requests"] == 0


def test_a_text_is_any_model_s(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    model = gateway.serve(
        simulator.base_url, upstream_model="sim", tasks=[Task.EMBEDDING.value]
    )
    assert tokenize(gateway, model, prompt="one two").json()["count"] == 2
    assert tokenize(gateway, model, messages=MESSAGES).status_code == 400


def test_where_no_engine_counts_a_tokenizer_does(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    model = gateway.serve(simulator.base_url, dialect="openai", tokenizer="cl100k_base")
    assert tokenize(gateway, model, prompt="hello world").json()["count"] == 2
    bare = gateway.serve(simulator.base_url, dialect="openai")
    assert tokenize(gateway, bare, prompt="hello world").status_code == 503


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"prompt": ["one"]},
        {"prompt": "one", "messages": MESSAGES},
        {"prompt": "one", "add_special_tokens": False},
        {"messages": MESSAGES, "chat_template": "{{ secret }}"},
        {"messages": MESSAGES, "chat_template_kwargs": {"chat_template": "x"}},
        {"messages": []},
    ],
)
def test_what_is_no_prompt_is_refused(
    gateway: RunningGateway, model: str, fields: dict[str, Any]
) -> None:
    assert tokenize(gateway, model, **fields).status_code == 400


def test_media_is_counted_as_data_alone(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    model = gateway.serve(
        simulator.base_url, upstream_model="sim", modalities=["image", "text"]
    )

    def asked(part: dict[str, Any]) -> int:
        messages = [{"role": "user", "content": [part]}]
        return tokenize(gateway, model, messages=messages).status_code

    assert asked(picture()) == 200
    assert asked(image("https://images.example.com/a.png")) == 400


def test_a_count_takes_its_place_among_requests(
    gateway: RunningGateway, model: str
) -> None:
    gateway.limit(rate("requests", 2), rate("tokens", 1))
    statuses = [tokenize(gateway, model, prompt="a b c").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_a_key_is_asked_for(gateway: RunningGateway, model: str) -> None:
    answer = httpx.post(
        f"{gateway.url}/v1/tokenize", json={"model": model, "prompt": "a"}
    )
    assert answer.status_code == 401
    assert tokenize(gateway, "no-such-model", prompt="a").status_code == 404
