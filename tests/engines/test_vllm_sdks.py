"""The clients that people use, unchanged, against the gateway before a real vLLM.

openai-python with each of its ways to ask, anthropic-python, LangChain, and vLLM's own
benchmark, which knows neither a gateway nor a key of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from anthropic import Anthropic, BadRequestError
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, SecretStr

from tests.engines.catalogue import serve
from tests.engines.engine import Engine
from tests.engines.server_process import ServerProcess
from tests.engines.vllm_environment import ensure_vllm
from tests.engines.vllm_server import engine_from_outside
from tests.journeys.product import Product

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

ASKED: Any = [{"role": "user", "content": "What does one token cost today?"}]
TOKENS = 12
EMBEDDER = "embedder"


class Verdict(BaseModel):
    """A form that a model of random weights can fill in."""

    verdict: Literal["yes", "no"]


@pytest.fixture(scope="module")
def client(tried_product: Product) -> Iterator[OpenAI]:
    """Provide the SDK."""
    with OpenAI(
        base_url=tried_product.base_url, api_key=tried_product.api_key
    ) as client:
        yield client


@pytest_asyncio.fixture
async def async_client(tried_product: Product) -> AsyncIterator[AsyncOpenAI]:
    """Provide the asynchronous SDK."""
    async with AsyncOpenAI(
        base_url=tried_product.base_url, api_key=tried_product.api_key
    ) as client:
        yield client


def test_openai_chats_at_once_and_streamed(client: OpenAI, engine: Engine) -> None:
    asked: dict[str, Any] = {
        "model": engine.model,
        "messages": ASKED,
        "max_tokens": 200,
    }
    asked |= {"temperature": 0, "response_format": Verdict}
    whole = client.chat.completions.parse(**asked)
    with client.chat.completions.stream(
        **asked, stream_options={"include_usage": True}
    ) as stream:
        said = "".join(each.delta for each in stream if each.type == "content.delta")
        final = stream.get_final_completion()
    assert said == final.choices[0].message.content == whole.choices[0].message.content
    assert isinstance(final.choices[0].message.parsed, Verdict)
    assert final.usage is not None
    assert whole.usage is not None
    assert final.usage.completion_tokens == whole.usage.completion_tokens


async def test_openai_asks_many_at_once(
    async_client: AsyncOpenAI, engine: Engine
) -> None:
    stream = await async_client.chat.completions.create(
        model=engine.model, messages=ASKED, max_tokens=TOKENS, stream=True, n=2
    )
    ends = {
        choice.index: choice.finish_reason
        async for chunk in stream
        for choice in chunk.choices
        if choice.finish_reason
    }
    assert set(ends) == {0, 1}


def test_openai_asks_for_responses(client: OpenAI, engine: Engine) -> None:
    asked: dict[str, Any] = {
        "model": engine.model,
        "input": "What does one token cost today?",
        "max_output_tokens": 200,
        "temperature": 0,
        "text_format": Verdict,
    }
    whole = client.responses.parse(**asked)
    with client.responses.stream(**asked) as stream:
        said = "".join(
            each.delta for each in stream if each.type == "response.output_text.delta"
        )
        final = stream.get_final_response()
    assert said == final.output_text == whole.output_text
    assert isinstance(final.output_parsed, Verdict)
    assert final.usage is not None
    assert whole.usage is not None
    assert final.usage.output_tokens == whole.usage.output_tokens
    short = client.responses.create(
        model=engine.model, input="Well?", max_output_tokens=TOKENS
    )
    assert (
        short.status,
        short.incomplete_details and short.incomplete_details.reason,
    ) in {
        ("incomplete", "max_output_tokens"),
        ("completed", None),
    }


def test_anthropic_asks_for_messages(tried_product: Product, engine: Engine) -> None:
    with Anthropic(base_url=tried_product.url, api_key=tried_product.api_key) as client:
        asked: dict[str, Any] = {
            "model": engine.model,
            "messages": ASKED,
            "max_tokens": TOKENS,
            "extra_body": {"temperature": 0},
        }
        counted = client.messages.count_tokens(model=engine.model, messages=ASKED)
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            said = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert [said] == [part.text for part in final.content if part.type == "text"]
        assert [part.text for part in whole.content if part.type == "text"] == [said]
        assert final.usage.output_tokens == whole.usage.output_tokens <= TOKENS
        cached = whole.usage.cache_read_input_tokens or 0
        assert whole.usage.input_tokens + cached == counted.input_tokens
        with pytest.raises(BadRequestError):
            client.messages.create(**{**asked, "extra_body": {"temperature": -1}})


def test_langchain_invokes_and_streams(tried_product: Product, engine: Engine) -> None:
    chat = ChatOpenAI(
        model=engine.model,
        base_url=tried_product.base_url,
        api_key=SecretStr(tried_product.api_key),
        max_completion_tokens=TOKENS,
        temperature=0,
        stream_usage=True,
    )
    whole = chat.invoke("What does one token cost today?")
    pieces = list(chat.stream("What does one token cost today?"))
    assert "".join(str(piece.content) for piece in pieces) == whole.content
    assert whole.usage_metadata is not None
    totals = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert totals[-1]["output_tokens"] == whole.usage_metadata["output_tokens"]


@pytest.fixture(scope="module")
def embedder(tried_product: Product, pooling_server: ServerProcess) -> str:
    """Serve a model that embeds, ranks and scores; return its name."""
    serve(
        tried_product,
        EMBEDDER,
        pooling_server.url,
        tasks=["embedding", "rerank", "score"],
        upstream="tiny",
    )
    return EMBEDDER


def test_openai_asks_for_embeddings(client: OpenAI, embedder: str) -> None:
    one, two = client.embeddings.create(
        model=embedder, input=["one token", "another token"]
    ).data
    assert len(one.embedding) == len(two.embedding) > 0
    plain = client.embeddings.create(
        model=embedder, input="one token", encoding_format="float"
    )
    assert plain.data[0].embedding == pytest.approx(one.embedding, abs=1e-2)
    assert plain.model == embedder
    assert plain.usage.prompt_tokens == plain.usage.total_tokens > 0


def test_documents_are_ranked_and_scored(client: OpenAI, embedder: str) -> None:
    documents = ["one token", "quite another thing"]
    ranked = client.post(
        "/rerank",
        cast_to=dict[str, Any],
        body={"model": embedder, "query": "one token", "documents": documents},
    )
    assert {row["index"] for row in ranked["results"]} == {0, 1}
    scored = client.post(
        "/score",
        cast_to=dict[str, Any],
        body={"model": embedder, "text_1": "one token", "text_2": documents},
    )
    assert len(scored["data"]) == 2
    assert scored["usage"]["total_tokens"] > 0


def test_vllms_own_benchmark(
    tried_product: Product, engine: Engine, tmp_path: Path
) -> None:
    if engine_from_outside():
        pytest.skip("needs the tokenizer of our own engine")
    environment = ensure_vllm()
    result = tmp_path / "result.json"
    subprocess.run(
        [
            *(str(environment.python), "-I", "-m", "vllm.entrypoints.cli.main"),
            *("bench", "serve", "--backend", "openai-chat"),
            *("--base-url", tried_product.url, "--endpoint", "/v1/chat/completions"),
            *("--model", engine.model, "--tokenizer", str(environment.model)),
            *("--dataset-name", "random", "--num-prompts", "20"),
            *("--random-input-len", "32", "--random-output-len", "16"),
            *("--header", f"Authorization=Bearer {tried_product.api_key}"),
            *("--save-result", "--result-filename", str(result)),
        ],
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
        timeout=300,
    )
    measured = json.loads(result.read_text())
    assert measured["completed"] == 20
    assert measured["total_output_tokens"] == 20 * 16
