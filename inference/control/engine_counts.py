"""Read what engines have counted: their own /metrics, one page for each address.

The names are the engines' (vLLM's, which the simulator speaks too, and llama.cpp's);
what they mean for a bill is not known here. Several replicas at one address are one
engine and one answer. Engines are asked side by side, without a transaction.

Failure: an engine that cannot be reached, or answers with no counts that are known, is
an `EngineSilence` that says so; it holds up no other.
"""

import datetime as dt
import ssl
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import httpx
from prometheus_client.parser import text_string_to_metric_families

from inference.control.models import Replica
from inference.engines.credentials import credential
from inference.engines.origin import origin_of
from kit.engine_counts import EngineCount, EngineSilence

PAGE_BYTES_MAX = 8 * 1024 * 1024
ENGINES_AT_ONCE = 8
_TIMEOUTS = httpx.Timeout(5.0, connect=3.0)
_NO_SUCH_PAGE = frozenset({404, 405, 410, 501})
# llama.cpp says in a header which process it is.
_PROCESS_HEADER = "process-start-time-unix"


@dataclass(frozen=True, slots=True)
class _Names:
    """What an engine calls its counters; empty where it has no such."""

    engine: str
    prompt: str
    generated: str
    running: tuple[str, ...]
    preemptions: str = ""
    samples: str = ""


_NAMES = (
    _Names(
        engine="vllm",
        prompt="vllm:prompt_tokens_total",
        generated="vllm:generation_tokens_total",
        running=("vllm:num_requests_running", "vllm:num_requests_waiting"),
        preemptions="vllm:num_preemptions_total",
        samples="vllm:request_params_n",
    ),
    _Names(
        engine="llama.cpp",
        prompt="llamacpp:prompt_tokens_total",
        generated="llamacpp:tokens_predicted_total",
        running=("llamacpp:requests_processing", "llamacpp:requests_deferred"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Engine:
    """One address, with all replicas that are reached there."""

    address: str
    replicas: tuple[Replica, ...]

    @property
    def replica_ids(self) -> tuple[int, ...]:
        return tuple(each.pk for each in self.replicas)

    @property
    def context_tokens(self) -> int:
        return max(each.model.context_tokens for each in self.replicas)

    @property
    def answer_tokens_max(self) -> int:
        """Return the most that one answer may be long, by any of its models."""
        return max(
            each.model.max_output_tokens or each.model.context_tokens
            for each in self.replicas
        )


class _Page:
    """The samples of a page: each name's sum over its labels."""

    def __init__(self, text: str) -> None:
        self._sums: dict[str, float] = {}
        self._bounds: dict[str, dict[float, float]] = {}
        for family in text_string_to_metric_families(text):
            for name, labels, value, *_ in family.samples:
                self._sums[name] = self._sums.get(name, 0.0) + value
                if name.endswith("_bucket"):
                    bounds = self._bounds.setdefault(name, {})
                    bound = float(labels["le"])
                    bounds[bound] = bounds.get(bound, 0.0) + value

    def __contains__(self, name: str) -> bool:
        return name in self._sums

    def count(self, name: str) -> int:
        return int(self._sums.get(name, 0.0))

    def start(self) -> dt.datetime | None:
        """Return when the process says that it started."""
        seconds = self._sums.get("process_start_time_seconds")
        return None if not seconds else dt.datetime.fromtimestamp(seconds, dt.UTC)

    def largest(self, name: str, *, default: int) -> int:
        """Return the least bound of a histogram that no sample lies above."""
        bounds = self._bounds.get(f"{name}_bucket", {})
        most = max(bounds.values(), default=0.0)
        if not most:
            return default
        least = min(bound for bound, count in bounds.items() if count == most)
        # Beyond the last bound, the sum is the one that holds.
        return self.count(f"{name}_sum") if least == float("inf") else int(least)


def read_all(
    now: Callable[[], dt.datetime],
) -> Sequence[EngineCount | EngineSilence]:
    """Ask every engine that an active or draining replica names."""
    engines = _engines()
    if not engines:
        return ()
    with (
        httpx.Client(
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=_TIMEOUTS,
        ) as client,
        ThreadPoolExecutor(ENGINES_AT_ONCE) as threads,
    ):
        return list(threads.map(lambda each: _read(client, each, now), engines))


def _engines() -> list[_Engine]:
    serving = (Replica.State.ACTIVE, Replica.State.DRAINING)
    rows = Replica.objects.filter(state__in=serving).select_related("model")
    found = sorted(((_address(row), row) for row in rows), key=_in_order)
    return [
        _Engine(address, tuple(row for _, row in group))
        for address, group in groupby(found, key=lambda each: each[0])
    ]


def _in_order(found: tuple[str, Replica]) -> tuple[str, int]:
    return found[0], found[1].pk


def _address(replica: Replica) -> str:
    origin = origin_of(replica.url)
    return f"{'https' if origin.tls else 'http'}://{origin.authority}{origin.prefix}"


def _read(
    client: httpx.Client, engine: _Engine, now: Callable[[], dt.datetime]
) -> EngineCount | EngineSilence:
    asked_at = now()
    try:
        status, headers, text = _fetch(client, engine)
    except (httpx.HTTPError, ValueError) as error:
        said = f"could not be read ({type(error).__name__})"
        return EngineSilence(engine.address, engine.replica_ids, asked_at, said)
    if status != httpx.codes.OK:
        return EngineSilence(
            engine.address,
            engine.replica_ids,
            asked_at,
            f"answered {status} to /metrics",
            is_lasting=status in _NO_SUCH_PAGE,
        )
    return _counted(engine, headers, text, asked_at=asked_at, answered_at=now())


def _fetch(client: httpx.Client, engine: _Engine) -> tuple[int, httpx.Headers, str]:
    keys = (credential(each.credential) for each in engine.replicas)
    key = next((each for each in keys if each), "")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    page = bytearray()
    with client.stream("GET", f"{engine.address}/metrics", headers=headers) as answer:
        for chunk in answer.iter_bytes():
            page += chunk
            if len(page) > PAGE_BYTES_MAX:
                raise ValueError("the page is too long")
    return answer.status_code, answer.headers, page.decode()


def _counted(
    engine: _Engine,
    headers: httpx.Headers,
    text: str,
    *,
    asked_at: dt.datetime,
    answered_at: dt.datetime,
) -> EngineCount | EngineSilence:
    try:
        page = _Page(text)
    except (ValueError, KeyError):
        said = "answered /metrics with what is no page of metrics"
        return EngineSilence(engine.address, engine.replica_ids, asked_at, said)
    names = _names_on(page)
    if names is None:
        said = "counts no tokens that are known here"
        return EngineSilence(
            engine.address, engine.replica_ids, asked_at, said, is_lasting=True
        )
    started_at = page.start()
    mark = started_at.isoformat() if started_at else headers.get(_PROCESS_HEADER, "")
    samples, prompts = f"{names.samples}_sum", f"{names.samples}_count"
    return EngineCount(
        address=engine.address,
        replica_ids=engine.replica_ids,
        known_since=min(each.created_at for each in engine.replicas),
        asked_at=asked_at,
        answered_at=answered_at,
        context_tokens=engine.context_tokens,
        answer_tokens_max=engine.answer_tokens_max,
        engine=names.engine,
        mark=mark[:64],
        started_at=started_at,
        prompt_tokens=page.count(names.prompt),
        generated_tokens=page.count(names.generated),
        running=sum(page.count(each) for each in names.running),
        preemptions=page.count(names.preemptions),
        extra_samples=page.count(samples) - page.count(prompts),
        samples_max=page.largest(names.samples, default=1),
    )


def _names_on(page: _Page) -> _Names | None:
    found: Iterable[_Names] = (
        each for each in _NAMES if each.prompt in page and each.generated in page
    )
    return next(iter(found), None)
