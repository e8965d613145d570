"""Call operations of the document with their own examples, and check the answers."""

import datetime as dt
import json
import re
from typing import Any

from django.test import Client

from metering.usage.selectors import database_now
from tests.api.document import (
    JSON,
    Operation,
    content_of,
    example_of,
    faults,
    operation,
)

Ids = dict[str, Any]


class Caller:
    """Calls operations by id, and remembers which were called and what was wrong."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.called: set[str] = set()

    def __call__(self, name: str, *ids: Any, query: str = "", **changes: Any) -> Any:
        """Call an operation with its example, changed; return its right answer."""
        called = operation(name)
        response = self._send(called, ids, query, changes)
        answers = dict(called.responses())
        status = str(response.status_code)
        content = content_of(response)
        assert status in answers, f"{name}: {status} {content!r}"
        assert status[0] == "2", f"{name}: {content!r}"
        is_json = "json" in response["Content-Type"]
        answer = json.loads(content) if is_json else content.decode("latin-1")
        assert faults(answer, answers[status]["schema"]) == [], name
        self.called.add(name)
        return answer

    def _send(
        self, called: Operation, ids: tuple[Any, ...], query: str, changes: Ids
    ) -> Any:
        given = iter(ids)
        path = re.sub(r"\{[^}]+\}", lambda _: str(next(given)), called.path)
        media = called.request()
        body = {**example_of(media), **changes} if media else None
        return self._client.generic(
            called.method.upper(),
            f"{path}?{query}",
            "" if body is None else _json(body),
            content_type=JSON,
        )


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def soon() -> str:
    """Return an instant that a version may begin at."""
    return (database_now() + dt.timedelta(hours=1)).isoformat()


def taken(client: Client, name: str, *ids: Any, **changes: Any) -> Any:
    """Call an operation; return its answer, whatever it is."""
    return Caller(client)._send(operation(name), ids, "", changes)
