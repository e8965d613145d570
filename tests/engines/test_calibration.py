"""What calibration finds bounds what real engines bill; without it the default does.

vLLM counts the probes at `/tokenize`. The llama.cpp server has no such call, and
whichever dialect its replica names, the default stays in force.
"""

from collections.abc import Iterator, Mapping

import httpx
import pytest
from django.utils import timezone

from inference.control.calibration import services as calibration
from inference.control.calibration.probes import probes
from inference.control.models import Calibration
from inference.openai.prompt_bound import DEFAULT, PromptBound, bound
from inference.openai.requests import GenerationRequest
from kit.contracts import Surface
from tests.engines import llamacpp_server
from tests.engines.engine import TIMEOUT_SECONDS, Engine
from tests.engines.vllm_server import CONTEXT_TOKENS
from tests.factories.control import make_replica

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

PATHS: Mapping[Surface, str] = {
    Surface.CHAT_COMPLETIONS: "/v1/chat/completions",
    Surface.COMPLETIONS: "/v1/completions",
}
# What a server may refuse: the empty prompt, roles that its template does not know.
ANSWERED_SHARE_MIN = 0.9


@pytest.fixture(scope="module")
def llamacpp() -> Iterator[str]:
    """Provide a real llama.cpp server."""
    with llamacpp_server.running_llamacpp() as url:
        yield url


def billed(client: httpx.Client, model: str, request: GenerationRequest) -> int | None:
    """Return the prompt tokens of one answer; None where it is refused."""
    body = {**request.payload, "model": model, "max_tokens": 1}
    if "tools" in body:
        # The template renders them all the same, and no parser of calls is needed.
        body["tool_choice"] = "none"
    answer = client.post(PATHS[request.surface], json=body)
    if answer.status_code in (400, 422, 500):
        return None
    return int(answer.raise_for_status().json()["usage"]["prompt_tokens"])


def assert_bounded(
    url: str, model: str, factors: PromptBound, *, context_tokens: int
) -> None:
    """Have the engine answer every probe, and hold its bill against the bound."""
    answered = 0
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        for probe in probes():
            tokens = billed(client, model, probe.request)
            if tokens is None:
                continue
            answered += 1
            most = bound(probe.request, factors, context_tokens=context_tokens)
            assert tokens <= most, probe.family
    assert answered >= ANSWERED_SHARE_MIN * len(probes())


@pytest.mark.usefixtures("operator_db")
def test_a_calibrated_vllm_bills_no_more_than_the_bound(engine: Engine) -> None:
    replica = make_replica(url=engine.url, upstream_model=engine.model)
    row = calibration.calibrate(model=replica.model, now=timezone.now())
    assert row.state == Calibration.State.CALIBRATED, row.replicas
    factors = PromptBound.of_published(row.factors)
    assert factors.per_byte_milli <= DEFAULT.per_byte_milli
    assert factors.per_structure_byte_milli < DEFAULT.per_structure_byte_milli
    assert_bounded(engine.url, engine.model, factors, context_tokens=CONTEXT_TOKENS)


@pytest.mark.usefixtures("operator_db")
@pytest.mark.parametrize("dialect", ["openai", "vllm"])
def test_llamacpp_counts_for_nobody_and_the_default_holds(
    llamacpp: str, dialect: str
) -> None:
    replica = make_replica(
        url=llamacpp, upstream_model=llamacpp_server.SERVED_MODEL, dialect=dialect
    )
    row = calibration.calibrate(model=replica.model, now=timezone.now())
    assert (row.state, row.factors) == (Calibration.State.UNABLE, None)


def test_llamacpp_bills_no_more_than_the_default(llamacpp: str) -> None:
    assert_bounded(
        llamacpp,
        llamacpp_server.SERVED_MODEL,
        DEFAULT,
        context_tokens=llamacpp_server.CONTEXT_TOKENS,
    )
