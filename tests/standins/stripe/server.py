"""The stand-in over HTTP, in its own threads; `/standin/*` is for tests and people.

POST /standin/faults   plan a fault, e.g. {"kind": "commit_then_drop", "path":
"/v1/invoices"} DELETE /standin/faults forget the plan, release what is held POST
/standin/clock    {"advance_s": 86400} GET /standin/journal   every request so far GET
/standin/invoices  every invoice with all its lines
"""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import stripe

from tests.standins.stripe.engine import Answer, Engine
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.faults import Fault
from tests.standins.stripe.forms import decode
from tests.standins.stripe.pages import hosted_page


class StripeStandIn:
    """A running stand-in; use it as a context manager."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.engine = Engine()
        handler = type("Handler", (_Handler,), {"engine": self.engine})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self.engine.account.base_url = self.url
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            daemon=True,
        )

    def __enter__(self) -> "StripeStandIn":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.faults.clear()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def plan(self, kind: str, **spec: Any) -> Fault:
        """Plan a fault and return it, to wait for and to release."""
        return self.engine.faults.add(Fault.parse({"kind": kind, **spec}))

    def journal(self, method: str = "POST") -> list[dict[str, Any]]:
        """Return the requests of one method so far."""
        return [
            entry.shown() for entry in self.engine.journal if entry.method == method
        ]

    def invoices(self) -> list[dict[str, Any]]:
        """Return every invoice with all its lines."""
        return _invoices(self.engine)


class _Handler(BaseHTTPRequestHandler):
    engine: Engine
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def log_message(self, *_: object) -> None:
        """Say nothing: the journal has it all."""

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode()
        if parts.path.startswith("/standin/"):
            self._send_json(*_control(self.engine, method, parts.path, body))
        elif parts.path.startswith("/invoice/"):
            self._send_page(hosted_page(self.engine, parts.path))
        else:
            self._send_answer(self._api_answer(method, parts.path, parts.query, body))

    def _api_answer(self, method: str, path: str, query: str, body: str) -> Answer:
        try:
            self._check_headers()
            # The SDK sends parameters of GET and DELETE in the query, of POST in the
            # body.
            params = decode(body if method == "POST" else query)
        except ApiError as error:
            return Answer(error.status, error.body)
        return self.engine.answer(
            method, path, params, self.headers.get("idempotency-key")
        )

    def _check_headers(self) -> None:
        if not self.headers.get("authorization", "").removeprefix("Bearer "):
            raise ApiError(401, "You did not provide an API key.", stored=False)
        version = self.headers.get("stripe-version")
        if version != stripe.api_version:
            raise ApiError(
                400, f"This stand-in speaks {stripe.api_version}, not {version}."
            )

    def _send_answer(self, answer: Answer) -> None:
        if answer.dropped:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        headers = {
            "request-id": answer.request_id,
            "stripe-version": stripe.api_version,
        }
        if answer.replayed:
            headers["idempotent-replayed"] = "true"
        self._send_json(answer.status, answer.body, headers)

    def _send_json(
        self, status: int, body: object, headers: dict[str, str] | None = None
    ) -> None:
        self._send(
            status, json.dumps(body, default=str), "application/json", headers or {}
        )

    def _send_page(self, page: str | None) -> None:
        self._send(
            404 if page is None else 200, page or "No such invoice.", "text/html", {}
        )

    def _send(
        self, status: int, text: str, content_type: str, headers: dict[str, str]
    ) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", f"{content_type}; charset=utf-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _control(engine: Engine, method: str, path: str, body: str) -> tuple[int, object]:
    try:
        match method, path:
            case "POST", "/standin/faults":
                engine.faults.add(Fault.parse(json.loads(body)))
                return 201, {}
            case "DELETE", "/standin/faults":
                engine.faults.clear()
                return 200, {}
            case "POST", "/standin/clock":
                engine.clock.advance(float(json.loads(body)["advance_s"]))
                return 200, {"now": engine.clock.now()}
            case "GET", "/standin/journal":
                return 200, {"data": [entry.shown() for entry in engine.journal]}
            case "GET", "/standin/invoices":
                return 200, {"data": _invoices(engine)}
    except (ValueError, KeyError, TypeError) as error:
        return 400, {"error": str(error)}
    return 404, {"error": "not found"}


def _invoices(engine: Engine) -> list[dict[str, Any]]:
    account = engine.account
    return [
        {**invoice, "lines": account.lines[reference]}
        for reference, invoice in account.invoices.items()
    ]
