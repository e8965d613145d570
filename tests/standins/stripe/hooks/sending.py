"""One attempt to send a webhook: a POST over real HTTP, and what came of it."""

import http.client
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.standins.stripe.event_log import Json
from tests.standins.stripe.hooks import signature
from tests.standins.stripe.hooks.disorder import Letter

# Stripe waits longer; a test that lets it wait need not.
PATIENCE_S = 20.0
ANSWER_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was sent and what was answered; no status means no answer."""

    event: str
    kind: str
    endpoint: str
    number: int
    at: float
    status: int | None
    error: str | None = None
    disorders: tuple[str, ...] = field(default=())

    @property
    def succeeded(self) -> bool:
        """Tell whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    def shown(self) -> Json:
        """Return the attempt for people and assertions."""
        return {
            "event": self.event,
            "type": self.kind,
            "endpoint": self.endpoint,
            "number": self.number,
            "at": self.at,
            "status": self.status,
            "error": self.error,
            "disorders": list(self.disorders),
        }


def post(url: str, letter: Letter) -> tuple[int | None, str | None]:
    """Send a letter; return the status and, where it is no success, what was said."""
    body = letter.body()
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "connection": "close",
    }
    if letter.is_signed:
        headers["stripe-signature"] = signature.header(
            body, letter.secrets, at=letter.at
        )
    if letter.is_tampered:
        body += b" "
    try:
        status, said = _posted(url, body, headers)
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
    if letter.loses_answer:
        return None, "the answer was lost"
    return status, None if 200 <= status < 300 else said


def _posted(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    parts = urlsplit(url)
    kind, options = _connection(parts.scheme)
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE_S, **options)
    try:
        path = parts.path or "/"
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX).decode(errors="replace")
    finally:
        connection.close()


def _connection(scheme: str) -> tuple[type[http.client.HTTPConnection], dict[str, Any]]:
    if scheme == "https":
        return http.client.HTTPSConnection, {"context": ssl.create_default_context()}
    return http.client.HTTPConnection, {}
