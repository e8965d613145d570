"""HTTP in front of the engine: the API, the pages that people see, and the controls."""

import json
import socket
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import stripe

from tests.standins.stripe import control
from tests.standins.stripe.engine import ApiRequest, Engine, refusal
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.forms import decode
from tests.standins.stripe.journal import Answer
from tests.standins.stripe.pages import site
from tests.standins.stripe.pages.layout import Page, pdf_of


class Handler(BaseHTTPRequestHandler):
    """One connection; `engine` is set by the server that it belongs to."""

    engine: Engine
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Serve a GET."""
        self._serve("GET")

    def do_POST(self) -> None:
        """Serve a POST."""
        self._serve("POST")

    def do_DELETE(self) -> None:
        """Serve a DELETE."""
        self._serve("DELETE")

    def log_message(self, *_: object) -> None:
        """Say nothing: the journal has it all."""

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode()
        if parts.path.startswith("/standin/"):
            self._send_json(*control.answer(self.engine, method, parts.path, body))
        elif site.is_page(parts.path):
            self._send_page(site.answer(self.engine, method, parts.path, body))
        else:
            self._send_answer(self._api_answer(method, parts.path, parts.query, body))

    def _api_answer(self, method: str, path: str, query: str, body: str) -> Answer:
        try:
            api_key = self.headers.get("authorization", "").removeprefix("Bearer ")
            merchant = self.engine.merchants.behind(api_key)
            self._check_version()
            # The SDK sends parameters of GET and DELETE in the query, of POST in the
            # body.
            params = decode(body if method == "POST" else query)
        except ApiError as error:
            return refusal(error)
        key = self.headers.get("idempotency-key")
        return self.engine.answer(ApiRequest(merchant, method, path, params, key))

    def _check_version(self) -> None:
        version = self.headers.get("stripe-version")
        if version != stripe.api_version:
            raise ApiError(
                400, f"This stand-in speaks {stripe.api_version}, not {version}."
            )

    def _send_answer(self, answer: Answer) -> None:
        if answer.dropped:
            self.engine.keep()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        headers = {
            "request-id": answer.request_id,
            "stripe-version": stripe.api_version,
            **answer.headers,
        }
        if answer.replayed:
            headers["idempotent-replayed"] = "true"
        self._send(answer.status, answer.content, "application/json", headers)

    def _send_json(self, status: int, body: object) -> None:
        self._send(status, json.dumps(body, default=str), "application/json", {})

    def _send_page(self, page: Page) -> None:
        headers = {} if page.location is None else {"location": page.location}
        if page.is_pdf:
            self._send(page.status, pdf_of(page.html()), "application/pdf", headers)
        else:
            self._send(page.status, page.html(), "text/html", headers)

    def _send(
        self,
        status: int,
        said: str | bytes,
        content_type: str,
        headers: dict[str, str],
    ) -> None:
        # What is answered is kept: a stand-in that is killed may not forget it.
        self.engine.keep()
        content = said if isinstance(said, bytes) else said.encode()
        if isinstance(said, str):
            content_type = f"{content_type}; charset=utf-8"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
