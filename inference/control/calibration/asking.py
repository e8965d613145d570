"""Ask an engine how many tokens it makes of each probe.

The calls are those with which the gateway counts a prompt, one after another. TLS is
the system's trust, as on the gateway; no proxy and no redirect is followed, so that a
credential goes nowhere but to the engine.

Failure: an engine without such a call, or that refuses every probe, is *unable*; one
that cannot be reached, is too slow or answers with a fault is *away*. A single probe
that it refuses, such as a role that its template does not know, is passed over.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import httpx

from inference.control.calibration.fitting import Observation
from inference.control.calibration.probes import Probe
from inference.control.models import Replica
from inference.engines.auth.registry import AUTH
from inference.engines.backend import EngineCall, InferenceBackend
from inference.engines.credentials import credential
from inference.engines.origin import EngineError, origin_of
from inference.engines.registry import BACKENDS
from inference.openai.prompt_bound import Measures, chat_measures, text_measures
from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from inference.openai.usage import UsageError

PATIENCE_S = 60.0
ANSWER_BYTES_MAX = 1024 * 1024
_TIMEOUTS = httpx.Timeout(10.0, connect=3.0)
_REFUSED = frozenset({400, 413, 422})
_NO_SUCH_CALL = frozenset({404, 405, 410, 501})


class Outcome(StrEnum):
    """What came of asking an engine."""

    COUNTED = "counted"
    UNABLE = "unable"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine counted, and in a few words how it went."""

    outcome: Outcome
    said: str
    seen: tuple[Observation, ...] = ()


class _EndError(Exception):
    """The engine need not be asked any further."""

    def __init__(self, outcome: Outcome, said: str) -> None:
        super().__init__(said)
        self.outcome = outcome


def ask(
    replica: Replica, probes: Sequence[Probe], *, patience_s: float = PATIENCE_S
) -> Answer:
    """Have one engine count all probes; whatever goes wrong is its answer."""
    try:
        with httpx.Client(
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=_TIMEOUTS,
        ) as client:
            backend = BACKENDS[replica.dialect]
            deadline = time.monotonic() + patience_s
            seen = _Asking(client, replica, backend, deadline).observe(probes)
    except _EndError as end:
        return Answer(end.outcome, str(end))
    except (httpx.HTTPError, EngineError) as error:
        return Answer(Outcome.AWAY, f"could not be asked ({type(error).__name__})")
    if not seen:
        return Answer(Outcome.UNABLE, "counted none of the probes")
    return Answer(
        Outcome.COUNTED, f"counted {len(seen)} of {len(probes)} probes", tuple(seen)
    )


def measured(request: GenerationRequest) -> Measures:
    """Measure a probe, as the gateway measures a request."""
    if request.task is not Task.CHAT:
        return text_measures(request.texts[0])
    measures = chat_measures(request.payload)
    if measures is None:
        raise ValueError("a probe holds no media")
    return measures


@dataclass(frozen=True, slots=True)
class _Asking:
    """The calls to one engine, which end by `deadline` on the monotonic clock."""

    client: httpx.Client
    replica: Replica
    backend: InferenceBackend
    deadline: float

    def observe(self, probes: Sequence[Probe]) -> list[Observation]:
        seen: list[Observation] = []
        for probe in probes:
            tokens = self._count(probe)
            if tokens is not None:
                family = f"{self.replica.pk} {probe.family}"
                seen.append(Observation(family, measured(probe.request), tokens))
        return seen

    def _count(self, probe: Probe) -> int | None:
        """Return the tokens of one probe; None where the engine refuses it."""
        asked = self.backend.prompt_calls(
            probe.request,
            model=self.replica.upstream_model or self.replica.model.name,
        )
        if asked is None:
            raise _EndError(Outcome.UNABLE, "speaks a dialect that has no such call")
        counts = [self._call(call) for call in asked.calls]
        known = [count for count in counts if count is not None]
        return asked.known_tokens + sum(known) if len(known) == len(counts) else None

    def _call(self, call: EngineCall) -> int | None:
        status, body = self._answer(call)
        if status in _REFUSED:
            return None
        if status in _NO_SUCH_CALL:
            raise _EndError(Outcome.UNABLE, f"answered {status} to {call.path}")
        if status != 200:
            raise _EndError(Outcome.AWAY, f"answered {status}")
        try:
            return self.backend.prompt_tokens(body)
        except UsageError:
            # Of an empty prompt some count nothing, which no request can be.
            return None

    def _answer(self, call: EngineCall) -> tuple[int, bytes]:
        origin = origin_of(self.replica.url)
        scheme = "https" if origin.tls else "http"
        address = f"{scheme}://{origin.authority}{origin.prefix}{call.path}"
        body = bytearray()
        key = asyncio.run(
            AUTH[self.replica.auth].headers(
                origin,
                call,
                credential(self.replica.credential),
                self.replica.options,
            )
        )
        with self.client.stream(
            "POST", address, content=call.body, headers={**call.headers, **key}
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
                self._end_what_lasts(len(body))
        self._end_what_lasts(len(body))
        return response.status_code, bytes(body)

    def _end_what_lasts(self, size: int) -> None:
        if size > ANSWER_BYTES_MAX or time.monotonic() > self.deadline:
            raise _EndError(Outcome.AWAY, "takes too long to count")
