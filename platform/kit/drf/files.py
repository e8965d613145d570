"""Answers that are files: streamed, with their length and their hash.

Failure: what refuses a file is a problem document like any other, whatever the caller
said that it accepts.
"""

import base64
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response


class FileRenderer(JSONRenderer):
    """Let a caller accept a type of file; what is rendered is only what refuses it."""

    @classmethod
    def of(cls, content_type: str) -> type[BaseRenderer]:
        """Return the renderer of a type."""
        return type("Renderer", (cls,), {"media_type": content_type})


def file_answer(
    request: Request,
    pieces: Iterator[bytes],
    *,
    content_type: str,
    name: str,
    sha256: str,
    byte_count: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a file, of which one piece at a time is in memory."""
    answer = StreamingHttpResponse(
        streamed(request._request, pieces),
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(byte_count),
            "Repr-Digest": digest(sha256),
            **(headers or {}),
        },
    )
    # DRF takes any of Django's responses, whatever its types say.
    return cast("Response", answer)


def digest(sha256: str) -> str:
    """Return a hash as the header `Repr-Digest` has it."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def streamed(request: HttpRequest, pieces: Iterator[bytes]) -> Iterable[bytes]:
    """Give each server its kind of iterator: of another one it would keep all."""
    if not isinstance(request, ASGIRequest):
        return pieces
    return cast("Iterable[bytes]", _one_by_one(pieces))


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    def following() -> bytes | None:
        return next(pieces, None)

    while (piece := await sync_to_async(following)()) is not None:
        yield piece
