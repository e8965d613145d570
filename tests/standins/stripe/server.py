"""The stand-in as tests hold it: running, steered and looked at from the same process.

Over HTTP the same is done at `/standin/*`: see `control`.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.standins.stripe.account import Account
from tests.standins.stripe.engine import Engine
from tests.standins.stripe.faults import Fault
from tests.standins.stripe.hooks.deliverer import Deliverer
from tests.standins.stripe.hooks.disorder import Disorder
from tests.standins.stripe.hooks.endpoints import Endpoint, endpoint_of, new_secret
from tests.standins.stripe.keeping import Keeper
from tests.standins.stripe.limits import Rates
from tests.standins.stripe.merchants import Merchant
from tests.standins.stripe.serving import Handler


class StripeStandIn:
    """A running stand-in; use it as a context manager."""

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, kept_in: Path | None = None
    ) -> None:
        self.engine = Engine()
        handler = type("BoundHandler", (Handler,), {"engine": self.engine})
        self._server = _Server((host, port), handler)
        self._server.engine = self.engine
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self.engine.serve_at(self.url)
        self._keeper = Keeper(self.engine, kept_in) if kept_in else None
        if self._keeper is not None:
            self._keeper.restore()
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            daemon=True,
        )

    def __enter__(self) -> "StripeStandIn":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._keeper is not None:
            self._keeper.keep(at_once=True)

    # What tests set up ----------------------------------------------------------------

    def add_account(self, name: str, *, api_key: str, reference: str = "") -> Merchant:
        """Open one more account behind an API key; the key's prefix says the mode."""
        return self.engine.open_account(name=name, api_key=api_key, reference=reference)

    def add_webhook(
        self,
        url: str,
        *,
        secrets: Sequence[str] = (),
        events: Sequence[str] = ("*",),
        account: Account | None = None,
        api_version: str | None = None,
        reference: str = "",
    ) -> Endpoint:
        """Send an account's events to a URL, signed with one secret or with two."""
        owner = account or self.engine.account
        made = endpoint_of(
            url=url,
            secrets=secrets or [new_secret()],
            events=events,
            id=reference or owner.new_id("we"),
            created=owner.now(),
            livemode=owner.livemode,
            api_version=api_version,
        )
        return owner.endpoints.add(made)

    def plan(self, kind: str, **spec: Any) -> Fault:
        """Plan a fault and return it, to wait for and to release."""
        return self.engine.faults.add(Fault.parse({"kind": kind, **spec}))

    def disorder(self, kind: str, **spec: Any) -> Disorder:
        """Plan that something goes wrong with webhooks."""
        return self.hooks.plan.add(Disorder.parse({"kind": kind, **spec}))

    def weather(self, seed: int, **rates: float) -> None:
        """Let webhooks go wrong by chance: a kind of disorder, and how often."""
        self.hooks.plan.set_weather(seed, rates)

    def hold_to_limits(
        self, rates: Rates | None = None, *, virtual: bool = False
    ) -> None:
        """Answer 429 to what is too fast, on every account."""
        for merchant in self.engine.merchants.rows:
            merchant.limits.switch_on(rates, virtual=virtual)

    def advance(self, seconds: float) -> None:
        """Move the clock: what falls due is done, and webhooks are sent."""
        self.engine.clock.advance(seconds)

    # What tests look at ---------------------------------------------------------------

    @property
    def hooks(self) -> Deliverer:
        """Return what sends the webhooks: `held`, `settle`, `waiting`, `attempts`."""
        return self.engine.hooks

    def journal(self, method: str = "POST") -> list[dict[str, Any]]:
        """Return the requests of one method so far."""
        return [
            entry.shown() for entry in self.engine.journal if entry.method == method
        ]

    def invoices(self) -> list[dict[str, Any]]:
        """Return every invoice with all its lines."""
        return self.engine.invoices()

    def invoices_by(self, mark: str) -> Mapping[str, list[dict[str, Any]]]:
        """Return the invoices of all accounts, without lines, by a metadata key."""
        found: dict[str, list[dict[str, Any]]] = {}
        with self.engine.standing_still():
            for merchant in self.engine.merchants.rows:
                for invoice in merchant.account.invoices.values():
                    value = invoice["metadata"].get(mark, "")
                    found.setdefault(value, []).append(dict(invoice))
        return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    engine: Engine

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let callers that were killed go; say what else went wrong."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def service_actions(self) -> None:
        """Do what has fallen due though nobody asks, and keep it."""
        self.engine.run_due()
        self.engine.keep()
