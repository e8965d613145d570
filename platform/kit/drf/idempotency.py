"""A write that is sent twice is done once: `Idempotency-Key`.

The key is claimed in the transaction of the write, so of two requests at once the later
waits for the earlier and is then given its answer. An answer is kept only with the
write it tells of: what was refused, or failed, may be sent again with the same key.

Failure: a key that cannot be one is a 400, one that was sent with another request a
422. Owns: the header and what of an answer is kept; the rows belong to the app that
`settings.ANSWER_STORE` names, since those of a tenant lie under its policies.
"""

import hmac
import re
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from kit.acting import Actor
from kit.errors import IdempotencyKeyReused, InvalidRequest

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_CHARS_MAX = 255
KEPT_HOURS = 24
_PRINTABLE = re.compile(rf"[\x20-\x7e]{{1,{KEY_CHARS_MAX}}}")
# Of an answer's headers those that say something of its body.
_KEPT_HEADERS = ("Content-Type", "Cache-Control", "ETag", "Location")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with a key: whose it is, what it is, and the secret that seals it.

    `secret` takes the caller's own token, which is kept nowhere: whoever has only the
    database can neither read the answer, which may hold a new API key, nor guess the
    body from its fingerprint.
    """

    caller: str
    tenant_id: int | None
    key: str
    fingerprint: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a write was answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class AnswerStore(Protocol):
    """Where answers are kept, in the role and transaction in force."""

    def claim(self, request: KeyedRequest) -> KeptAnswer | None:
        """Claim the key; return the kept answer where it was claimed before.

        Waits for whoever is about to keep one. Raises `IdempotencyKeyReused` when the
        key was claimed for another request.
        """

    def keep(self, request: KeyedRequest, answer: KeptAnswer) -> None:
        """Keep the answer of a claimed request."""


@cache
def store() -> AnswerStore:
    """Return where this installation keeps answers."""
    return cast("AnswerStore", import_string(settings.ANSWER_STORE)())


def keyed(request: HttpRequest, actor: Actor) -> KeyedRequest | None:
    """Return the request with its key; None when it has none.

    Raises `InvalidRequest` for a key that is empty, too long or not printable.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _PRINTABLE.fullmatch(key) or not key.strip():
        raise InvalidRequest(
            f"Give 1 to {KEY_CHARS_MAX} printable ASCII characters, such as a new"
            " UUID.",
            param=HEADER,
        )
    secret = _secret(request.headers.get("Authorization", ""), key)
    return KeyedRequest(
        caller=f"{actor.kind}:{actor.id or 0}",
        tenant_id=actor.tenant_id,
        key=key,
        fingerprint=_fingerprint(request, secret),
        secret=secret,
    )


def reused() -> IdempotencyKeyReused:
    """Return the refusal of a key that was sent with another request."""
    return IdempotencyKeyReused(
        "This key was sent before with another method, address or body. Send the same"
        " request again, or make a new key for a new one.",
        param=HEADER,
    )


def kept(response: HttpResponse) -> KeptAnswer:
    """Return what is kept of an answer."""
    headers = {
        name: response.headers[name]
        for name in _KEPT_HEADERS
        if name in response.headers
    }
    return KeptAnswer(response.status_code, headers, response.content)


def replay(answer: KeptAnswer) -> HttpResponse:
    """Return a kept answer, marked as such."""
    response = HttpResponse(answer.body, status=answer.status)
    for name, value in {**answer.headers, REPLAYED: "true"}.items():
        response.headers[name] = value
    return response


def _secret(authorization: str, key: str) -> bytes:
    token = authorization.partition(" ")[2].strip()
    # A length in front keeps one pair from being read as another.
    text = f"{len(token)}:{token}{key}".encode()
    return hmac.digest(settings.STORED_ANSWER_SECRET, text, "sha256")


def _fingerprint(request: HttpRequest, secret: bytes) -> str:
    told = hmac.new(secret, digestmod="sha256")
    for part in (
        str(request.method).encode(),
        request.get_full_path().encode(),
        request.body,
    ):
        told.update(len(part).to_bytes(8, "big") + part)
    return told.hexdigest()
