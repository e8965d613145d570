"""The surfaces that are billed: where each is found, who may call it, how it is read.

A surface is a line here. Whatever is in this table goes through admission, attempt,
relay and settlement as every other does, and through the tests that walk the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from inference.anthropic.errors import ANTHROPIC_ERRORS
from inference.anthropic.requests import parse as parse_messages
from inference.openai.pooling import (
    embedding_request,
    rerank_request,
    score_request,
)
from inference.openai.requests import GenerationRequest, parse
from inference.openai.responses.errors import RESPONSES_ERRORS
from inference.openai.responses.requests import parse as parse_response
from inference.openai.shapes import OPENAI_ERRORS, ErrorForm
from kit.contracts import Surface
from kit.scopes import Scope


@dataclass(frozen=True, slots=True)
class SurfaceEntry:
    """One surface.

    `parse` reads a body into what an engine is asked for, with the shape in which the
    answer is shown; `errors` says what goes wrong before there is one.
    """

    surface: Surface
    path: str
    parse: Callable[[bytes], GenerationRequest]
    scope: Scope = Scope.GENERATE
    errors: ErrorForm = OPENAI_ERRORS


SURFACES: Mapping[Surface, SurfaceEntry] = {
    entry.surface: entry
    for entry in (
        SurfaceEntry(
            Surface.CHAT_COMPLETIONS,
            "/v1/chat/completions",
            partial(parse, Surface.CHAT_COMPLETIONS),
        ),
        SurfaceEntry(
            Surface.COMPLETIONS, "/v1/completions", partial(parse, Surface.COMPLETIONS)
        ),
        SurfaceEntry(
            Surface.RESPONSES,
            "/v1/responses",
            parse_response,
            errors=RESPONSES_ERRORS,
        ),
        SurfaceEntry(
            Surface.MESSAGES,
            "/v1/messages",
            parse_messages,
            errors=ANTHROPIC_ERRORS,
        ),
        SurfaceEntry(
            Surface.EMBEDDINGS, "/v1/embeddings", embedding_request, Scope.EMBED
        ),
        SurfaceEntry(Surface.RERANK, "/v1/rerank", rerank_request, Scope.EMBED),
        SurfaceEntry(Surface.SCORE, "/v1/score", score_request, Scope.EMBED),
    )
}
