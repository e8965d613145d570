"""Read what is only to be read: texts to embed, documents to rank, pairs to score.

No token comes of it, so that what is billed is the input alone: `choices` is 0, and
`prompts` is the number of inputs or pairs. Of pairs, `texts` holds the first texts and
then the second ones, a query that stands in all of them once: some engines read it once
and some with each document, and where none reports, nobody pays for more than was read.
Failure: `InvalidRequest` with field and remedy. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inference.openai.limits import integer
from inference.openai.requests import (
    GenerationRequest,
    allowed_of,
    model_of,
    object_of,
)
from inference.openai.shapes import PLAIN, PlainShape, Shape
from inference.openai.tasks import Task
from kit.contracts import Surface, TokenCounts
from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object

INPUTS_MAX = 2048
DOCUMENTS_MAX = 2048
TOKEN_IDS_MAX = 1_048_576
DIMENSIONS_MAX = 65_536
_EMBEDDING = frozenset({"dimensions", "encoding_format", "input", "model"})
_RERANK = frozenset({"documents", "model", "query", "return_documents", "top_n"})
_SCORE = frozenset({"documents", "model", "queries", "text_1", "text_2"})
# They name things of a vendor's own service.
_DROPPED = frozenset({"metadata", "safety_identifier", "service_tier", "user"})
_FORMATS = ("base64", "float")


def embedding_request(body: bytes) -> GenerationRequest:
    """Read a request for embeddings: one input, or up to `INPUTS_MAX` of them."""
    payload = allowed_of(object_of(body), _EMBEDDING, dropped=_DROPPED)
    model = model_of(payload)
    inputs = _inputs(payload.get("input"))
    integer(payload, "dimensions", low=1, high=DIMENSIONS_MAX)
    if payload.get("encoding_format", "float") not in _FORMATS:
        raise InvalidRequest(
            "'encoding_format' must be 'float' or 'base64'.", param="encoding_format"
        )
    return _request(
        Surface.EMBEDDINGS,
        Task.EMBEDDING,
        model,
        payload,
        prompts=len(inputs),
        texts=tuple(each for each in inputs if isinstance(each, str)),
        known_tokens=sum(len(each) for each in inputs if not isinstance(each, str)),
    )


def rerank_request(body: bytes) -> GenerationRequest:
    """Read a query and the documents that are to be ranked by it."""
    payload = allowed_of(object_of(body), _RERANK, dropped=_DROPPED)
    model = model_of(payload)
    query = _text(payload.get("query"), "query")
    documents = payload.get("documents")
    if not is_array(documents) or not 1 <= len(documents) <= DOCUMENTS_MAX:
        raise _not_a_list("documents", DOCUMENTS_MAX)
    texts = [
        _text(
            document.get("text") if is_object(document) else document,
            f"documents[{position}]",
        )
        for position, document in enumerate(documents)
    ]
    integer(payload, "top_n", low=1)
    payload["documents"] = texts
    return _request(
        Surface.RERANK,
        Task.RERANK,
        model,
        payload,
        prompts=len(texts),
        texts=(query, *texts),
        shape=_documents_shape(payload.pop("return_documents", None), texts),
    )


def score_request(body: bytes) -> GenerationRequest:
    """Read pairs of texts: one with each of many, or two lists side by side."""
    payload = allowed_of(object_of(body), _SCORE, dropped=_DROPPED)
    model = model_of(payload)
    names = ("queries", "documents") if "queries" in payload else ("text_1", "text_2")
    if payload.keys() != {"model", *names}:
        raise InvalidRequest(
            "Give 'text_1' and 'text_2', or 'queries' and 'documents'.", param=names[0]
        )
    left, right = (_texts(payload[name], name) for name in names)
    if len(left) not in (1, len(right)):
        raise InvalidRequest(
            f"'{names[0]}' must be one text, or as many as '{names[1]}'.",
            param=names[0],
        )
    return _request(
        Surface.SCORE,
        Task.SCORE,
        model,
        payload,
        prompts=len(right),
        texts=(*left, *right),
    )


@dataclass(frozen=True, slots=True)
class DocumentsShape(PlainShape):
    """Shows the ranked documents with their ranks, or without, as was asked."""

    documents: Sequence[str]
    are_shown: bool

    def answer(self, answer: JsonObject, counts: TokenCounts) -> JsonObject:
        """Put each document where it belongs, or leave all of them out."""
        results = [self._shown(result) for result in answer["results"]]
        return {**answer, "results": results}

    def _shown(self, result: Any) -> Any:
        if not is_object(result):
            return result
        index = result.get("index")
        if (
            self.are_shown
            and type(index) is int
            and index in range(len(self.documents))
        ):
            return {**result, "document": {"text": self.documents[index]}}
        return {name: value for name, value in result.items() if name != "document"}


def _documents_shape(wanted: Any, documents: Sequence[str]) -> Shape:
    if wanted is None:
        return PLAIN
    if not isinstance(wanted, bool):
        raise InvalidRequest(
            "'return_documents' must be true or false.", param="return_documents"
        )
    return DocumentsShape(documents, wanted)


def _request(
    surface: Surface,
    task: Task,
    model: str,
    payload: JsonObject,
    *,
    prompts: int,
    texts: tuple[str, ...],
    known_tokens: int = 0,
    shape: Shape = PLAIN,
) -> GenerationRequest:
    return GenerationRequest(
        surface=surface,
        task=task,
        model=model,
        stream=False,
        prompts=prompts,
        choices=0,
        output_tokens_max=None,
        include_usage=False,
        continuous_usage=False,
        payload=payload,
        known_tokens=known_tokens,
        texts=texts,
        shape=shape,
    )


def _inputs(given: Any) -> list[str | list[int]]:
    """Return the inputs one by one: texts, or token ids of each."""
    if isinstance(given, str):
        return [_text(given, "input")]
    if not is_array(given) or not given:
        raise _not_a_list("input", INPUTS_MAX)
    if type(given[0]) is int:
        return [_token_ids(given, "input", left=TOKEN_IDS_MAX)]
    if len(given) > INPUTS_MAX:
        raise _not_a_list("input", INPUTS_MAX)
    left = TOKEN_IDS_MAX
    inputs: list[str | list[int]] = []
    for position, each in enumerate(given):
        param = f"input[{position}]"
        if is_array(each):
            inputs.append(_token_ids(each, param, left=left))
            left -= len(each)
        else:
            inputs.append(_text(each, param))
    return inputs


def _token_ids(given: list[Any], param: str, *, left: int) -> list[int]:
    # There may be a million: no loop of ours looks at each.
    if not given or set(map(type, given)) != {int} or min(given) < 0:
        raise InvalidRequest(
            f"'{param}' must be text, or a list of token ids.", param=param
        )
    if len(given) > left:
        raise InvalidRequest(
            f"'input' holds more than {TOKEN_IDS_MAX:,} token ids.", param="input"
        )
    return given


def _texts(given: Any, param: str) -> list[str]:
    if isinstance(given, str):
        return [_text(given, param)]
    if not is_array(given) or not 1 <= len(given) <= DOCUMENTS_MAX:
        raise _not_a_list(param, DOCUMENTS_MAX)
    return [_text(each, f"{param}[{at}]") for at, each in enumerate(given)]


def _text(given: Any, param: str) -> str:
    if not isinstance(given, str) or not given:
        raise InvalidRequest(f"'{param}' must be text that is not empty.", param=param)
    return given


def _not_a_list(param: str, most: int) -> InvalidRequest:
    return InvalidRequest(
        f"'{param}' must be a list of 1 to {most:,} texts.", param=param
    )
