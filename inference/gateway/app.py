"""The data plane as one callable: a table of paths, and the rule for errors.

Before the answer has started, an anticipated error is a response; after that, a
stream's last event. Anything else is a bug: logged, and a 500 that says nothing about
the inside.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import orjson
import structlog

from inference.anthropic.errors import ANTHROPIC_ERRORS
from inference.gateway.connection import ClientGoneError
from inference.gateway.generation import Generation
from inference.gateway.http import HttpRequest
from inference.gateway.live import DrainedError, KeyRevokedError
from inference.gateway.metrics import CONTENT_TYPE, GatewayMetrics, MetricsPage
from inference.gateway.models import ModelList
from inference.gateway.passthrough import Passthrough
from inference.gateway.refusals import Refusals
from inference.gateway.surfaces import SURFACES
from inference.gateway.token_counts import PromptCounts
from kit.errors import (
    EngineFailed,
    InvalidRequest,
    NotFound,
    PlatformError,
    ServiceUnavailable,
)

Handler = Callable[[HttpRequest], Awaitable[None]]
Readiness = Callable[[], Mapping[str, bool]]

_MODEL_PREFIX = "/v1/models/"
# What is asked below here is answered as Anthropic's SDKs read it, errors too.
_ANTHROPIC_PATH = "/v1/messages/"
_ANTHROPIC_ID = "request-id"

log = structlog.get_logger("tollgate.gateway")


class MethodNotAllowed(InvalidRequest):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"


@dataclass(frozen=True, slots=True)
class Probes:
    """Liveness, readiness and metrics."""

    readiness: Readiness
    page: MetricsPage

    async def healthz(self, http: HttpRequest) -> None:
        """Say that the process runs."""
        await http.respond(200, b'{"status":"ok"}')

    async def readyz(self, http: HttpRequest) -> None:
        """Say whether requests are taken, and if not, what is missing."""
        checks = dict(self.readiness())
        ready = all(checks.values())
        body = orjson.dumps(
            {"status": "ready" if ready else "not ready", "checks": checks}
        )
        await http.respond(200 if ready else 503, body)

    async def metrics(self, http: HttpRequest) -> None:
        """Show the metrics of this process."""
        await http.respond(200, self.page.render(), [(b"content-type", CONTENT_TYPE)])


class Gateway:
    """The application of the data plane."""

    def __init__(
        self,
        *,
        generation: Generation,
        models: ModelList,
        probes: Probes,
        passthrough: Passthrough,
        metrics: GatewayMetrics,
        refusals: Refusals,
    ) -> None:
        self._models = models
        self._passthrough = passthrough
        self._metrics = metrics
        self._refusals = refusals
        counts = PromptCounts(generation)
        self._routes: dict[str, tuple[str, Handler]] = {
            **{
                entry.path: ("POST", partial(generation.serve, entry=entry))
                for entry in SURFACES.values()
            },
            "/v1/messages/count_tokens": ("POST", counts.messages),
            "/v1/tokenize": ("POST", counts.tokenize),
            "/v1/models": ("GET", models.list_all),
            "/healthz": ("GET", probes.healthz),
            "/readyz": ("GET", probes.readyz),
            "/metrics": ("GET", probes.metrics),
        }

    async def __call__(self, http: HttpRequest) -> None:
        """Answer one request."""
        if f"{http.path}/".startswith(_ANTHROPIC_PATH):
            http.error_form = ANTHROPIC_ERRORS
            http.id_headers = (*http.id_headers, _ANTHROPIC_ID)
        try:
            await self._route(http)
        except PlatformError as error:
            await self._refuse(http, error)
        except ClientGoneError:
            http.gone()
        except KeyRevokedError as error:
            await self._refuse(http, error.reply())
        except DrainedError:
            stops = ServiceUnavailable(
                "The gateway stops. Try again.", headers={"retry-after": "1"}
            )
            await self._refuse(http, stops)
        except Exception as error:
            log.exception(
                "gateway_bug", path=http.path[:100], error=type(error).__name__
            )
            await self._refuse(http, _internal())
        finally:
            self._metrics.responses[http.status] += 1

    async def _refuse(self, http: HttpRequest, error: PlatformError) -> None:
        self._refusals.add(http, error)
        await http.fail(error)

    async def _route(self, http: HttpRequest) -> None:
        route = self._routes.get(http.path)
        if route is not None:
            method, handler = route
            _require(http, method)
            await handler(http)
        elif http.path.startswith(_MODEL_PREFIX):
            _require(http, "GET")
            await self._models.retrieve(http, http.path[len(_MODEL_PREFIX) :])
        elif http.path == "/v1" or http.path.startswith("/v1/"):
            raise NotFound(f"There is no '{http.path[:100]}' here.")
        else:
            await self._passthrough.serve(http)


def _require(http: HttpRequest, method: str) -> None:
    if http.method != method and not (method == "GET" and http.method == "HEAD"):
        raise MethodNotAllowed(
            f"Use {method} for '{http.path[:100]}'.", headers={"allow": method}
        )


class InternalError(EngineFailed):
    """A bug of ours, as the client sees it."""

    status = 500
    code = "internal_error"


def _internal() -> InternalError:
    return InternalError("The gateway failed. The error has been logged.")
