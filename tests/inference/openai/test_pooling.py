"""Requests that are only read: what they may be, and the bound of what is read."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.openai import pooling
from inference.openai.answers import PARSED_BYTES_MAX, read_answer
from inference.openai.pooling import (
    DOCUMENTS_MAX,
    INPUTS_MAX,
    embedding_request,
    rerank_request,
    score_request,
)
from inference.openai.prompt_bound import DEFAULT, PromptBound, bound
from inference.openai.requests import GenerationRequest
from inference.openai.stream import StreamFormatError
from inference.openai.tasks import Task
from inference.openai.usage import Tally, UsageError
from kit.contracts import TokenCounts
from kit.errors import InvalidRequest

Read = Callable[[bytes], GenerationRequest]
WHOLE_CONTEXT = 1_000_000


def embedding(given: Any, **fields: Any) -> GenerationRequest:
    """Read a request for embeddings."""
    return embedding_request(orjson.dumps({"model": "m", "input": given, **fields}))


def rerank(**fields: Any) -> GenerationRequest:
    """Read a request for ranks, with these fields over the least there can be."""
    body = {"model": "m", "query": "q", "documents": ["a", "b"], **fields}
    return rerank_request(orjson.dumps(body))


def score(**fields: Any) -> GenerationRequest:
    """Read a request for scores."""
    return score_request(orjson.dumps({"model": "m", **fields}))


@pytest.mark.parametrize(
    ("given", "prompts", "texts", "known_tokens"),
    [
        ("hello", 1, ("hello",), 0),
        (["a", "b"], 2, ("a", "b"), 0),
        ([5, 6, 7], 1, (), 3),
        ([[1], [2, 3]], 2, (), 3),
        (["a", [1, 2]], 2, ("a",), 2),
    ],
)
def test_inputs_of_every_kind(
    given: Any, prompts: int, texts: tuple[str, ...], known_tokens: int
) -> None:
    request = embedding(given, dimensions=8, encoding_format="base64", user="u")
    assert (request.task, request.prompts, request.choices) == (
        Task.EMBEDDING,
        prompts,
        0,
    )
    assert (request.texts, request.known_tokens) == (texts, known_tokens)
    assert request.payload == {
        "model": "m",
        "input": given,
        "dimensions": 8,
        "encoding_format": "base64",
    }


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (None, "input"),
        ("", "input"),
        ([], "input"),
        ({}, "input"),
        ([""], "input[0]"),
        (["a", ""], "input[1]"),
        ([1, "a"], "input"),
        ([1, True], "input"),
        ([-1], "input"),
        ([[]], "input[0]"),
        ([["a"]], "input[0]"),
        ([[1], [2.5]], "input[1]"),
        ([None], "input[0]"),
        (["a"] * (INPUTS_MAX + 1), "input"),
    ],
)
def test_what_is_no_input_is_refused(given: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        embedding(given)
    assert refused.value.param == param


def test_token_ids_are_bounded_over_all_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "TOKEN_IDS_MAX", 5)
    assert embedding([[1, 2], [3, 4, 5]]).known_tokens == 5
    for inputs in ([1] * 6, [[1, 2, 3], [4, 5, 6]]):
        with pytest.raises(InvalidRequest, match="more than 5 token ids"):
            embedding(inputs)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"encoding_format": ["float"]}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "8"}, "dimensions"),
        ({"truncate_prompt_tokens": 4}, "truncate_prompt_tokens"),
        ({"priority": 1}, "priority"),
        ({"stream": True}, "stream"),
        ({"model": ""}, "model"),
    ],
)
def test_fields_of_embeddings_are_checked(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        embedding("a", **fields)
    assert refused.value.param == param


def test_documents_are_texts_however_they_are_given() -> None:
    request = rerank(documents=["a", {"text": "b"}], top_n=1, return_documents=False)
    assert request.payload == {
        "model": "m",
        "query": "q",
        "documents": ["a", "b"],
        "top_n": 1,
    }
    assert (request.prompts, request.texts) == (2, ("q", "a", "b"))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": ["q"]}, "query"),
        ({"documents": "a"}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": ["a"] * (DOCUMENTS_MAX + 1)}, "documents"),
        ({"documents": ["a", {"image": "b"}]}, "documents[1]"),
        ({"top_n": 0}, "top_n"),
        ({"return_documents": "no"}, "return_documents"),
        ({"max_tokens_per_doc": 4}, "max_tokens_per_doc"),
    ],
)
def test_what_cannot_be_ranked_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rerank(**fields)
    assert refused.value.param == param


def test_documents_are_shown_as_they_are_asked_for() -> None:
    results = [
        {"index": 1, "relevance_score": 0.9},
        {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
        {"index": 7, "relevance_score": 0.0},
        "no result",
    ]
    shown = rerank(return_documents=True).shape.answer(
        {"results": results}, TokenCounts()
    )
    assert [each.get("document") for each in shown["results"][:3]] == [
        {"text": "b"},
        {"text": "a"},
        None,
    ]
    hidden = rerank(return_documents=False).shape.answer(
        {"results": results}, TokenCounts()
    )
    assert all("document" not in each for each in hidden["results"][:3])
    assert hidden["results"][3] == "no result"


@pytest.mark.parametrize(
    ("fields", "prompts", "texts"),
    [
        ({"text_1": "q", "text_2": "a"}, 1, ("q", "a")),
        ({"text_1": "q", "text_2": ["a", "b"]}, 2, ("q", "a", "b")),
        ({"queries": ["q", "r"], "documents": ["a", "b"]}, 2, ("q", "r", "a", "b")),
    ],
)
def test_pairs_are_one_with_many_or_side_by_side(
    fields: dict[str, Any], prompts: int, texts: tuple[str, ...]
) -> None:
    request = score(**fields)
    assert (request.prompts, request.texts) == (prompts, texts)
    assert request.payload == {"model": "m", **fields}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text_1": "q"},
        {"text_1": "q", "documents": "a"},
        {"text_1": "q", "text_2": "a", "queries": "q", "documents": "a"},
        {"text_1": ["q", "r"], "text_2": ["a", "b", "c"]},
        {"text_1": ["q", "r"], "text_2": "a"},
        {"text_1": ["q"], "text_2": [["a"]]},
        {"text_1": {"content": []}, "text_2": "a"},
    ],
)
def test_what_is_no_pairs_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        score(**fields)


@given(
    query=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    documents=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
        min_size=1,
        max_size=9,
    ),
)
def test_the_bound_holds_for_an_engine_that_reads_a_query_with_each_document(
    query: str, documents: list[str]
) -> None:
    # At most one token of a byte, and a template of a ranking model around each pair.
    read = sum(len((query + each).encode()) + 2 * 64 for each in documents)
    free = PromptBound(per_message=0)
    ranked = rerank(query=query, documents=documents)
    scored = score(queries=query, documents=documents)
    assert bound(ranked, free, context_tokens=WHOLE_CONTEXT) == read
    assert bound(scored, DEFAULT, context_tokens=WHOLE_CONTEXT) >= read
    beside = score(queries=[query] * len(documents), documents=documents)
    assert bound(beside, free, context_tokens=WHOLE_CONTEXT) == read


def test_no_text_counts_more_than_the_context() -> None:
    request = rerank(query="q" * 500, documents=["d" * 500] * 3)
    assert bound(request, DEFAULT, context_tokens=100) == 600


# Answers ----------------------------------------------------------------------------


def vectors(count: int, numbers: int, **fields: Any) -> dict[str, Any]:
    """Return an answer of so many vectors."""
    data = [
        {"index": at, "object": "embedding", "embedding": [at + 0.25] * numbers}
        for at in range(count)
    ]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    return {"object": "list", "data": data, "model": "m", "usage": usage, **fields}


def test_of_a_large_answer_no_number_is_parsed() -> None:
    tally = Tally()
    body = orjson.dumps(vectors(40, 2000))
    assert len(body) > PARSED_BYTES_MAX
    answer = read_answer(body, Task.EMBEDDING, tally)
    assert [each["embedding"] for each in answer.json["data"]] == [[]] * 40
    assert tally.counts() == TokenCounts(input_tokens=9)


@pytest.mark.parametrize("spoilt", [b"{}", b'"x"', b"NaN", b"[1]"])
def test_a_vector_of_what_is_no_number_is_read_as_it_stands(spoilt: bytes) -> None:
    body = orjson.dumps(vectors(40, 2000)).replace(b"[7.25,", b"[" + spoilt + b",", 1)
    if spoilt == b"NaN":
        with pytest.raises(StreamFormatError):
            read_answer(body, Task.EMBEDDING, Tally())
        return
    answer = read_answer(body, Task.EMBEDDING, Tally())
    assert len(answer.json["data"][6]["embedding"]) == 2000


def test_what_a_text_says_of_vectors_is_no_vector() -> None:
    said = '"embedding":[1,2], "embedding":["'
    body = orjson.dumps(vectors(40, 2000, note=said))
    assert read_answer(body, Task.EMBEDDING, Tally()).json["note"] == said


def test_a_large_answer_that_is_cut_is_none() -> None:
    body = orjson.dumps(vectors(40, 2000))
    for end in (len(body) // 2, len(body) - 1):
        with pytest.raises(StreamFormatError):
            read_answer(body[:end], Task.EMBEDDING, Tally())


def test_output_where_there_can_be_none_is_not_believed() -> None:
    usage = {"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3}
    with pytest.raises(UsageError):
        read_answer(orjson.dumps(vectors(1, 2, usage=usage)), Task.EMBEDDING, Tally())
