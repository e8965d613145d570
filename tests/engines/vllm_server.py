"""Run real vLLMs for the length of a test session: the CPU build, on free ports.

Where `ENGINE_URL` is set, the engine there is used instead of ours, and left running.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from config.local.children import LOOPBACK
from tests.engines.engine import TIMEOUT_SECONDS, Engine
from tests.engines.server_process import ServerProgram, running_servers
from tests.engines.vllm_environment import VllmEnvironment, ensure_vllm

SERVED_MODEL = "tiny"
CONTEXT_TOKENS = 4096
# Enough for all calls that the journeys make at once, each with several choices.
SEQUENCES_MAX = 48
START_SECONDS = 480.0
COMPACT_JSON = '{"backend": "xgrammar", "disable_any_whitespace": true}'

# One gigabyte of cache and one thread: enough for a model this small, and the machine
# is left to what is being tested.
ENGINE_VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}


def engine_from_outside() -> Engine | None:
    """Return the engine at `ENGINE_URL`, if that is set."""
    url, model = os.environ.get("ENGINE_URL"), os.environ.get("ENGINE_MODEL")
    if not url:
        return None
    base = url.rstrip("/").removesuffix("/v1")
    if not model:
        answer = httpx.get(f"{base}/v1/models", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        model = str(answer.json()["data"][0]["id"])
    return Engine(url=base, model=model)


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Yield an engine that answers: the one at `ENGINE_URL`, or one of our own."""
    if theirs := engine_from_outside():
        yield theirs
        return
    with running_servers(vllm_program(ensure_vllm())) as [server]:
        yield Engine(url=server.url, model=SERVED_MODEL)


def vllm_program(environment: VllmEnvironment, *more: str) -> ServerProgram:
    """Return the `vllm serve` of the journeys, with these options besides."""

    def _command(port: int) -> list[str]:
        return [
            # Isolated from our own PYTHONPATH.
            *(str(environment.python), "-I", "-m", "vllm.entrypoints.cli.main"),
            *("serve", str(environment.model), "--served-model-name", SERVED_MODEL),
            *("--host", LOOPBACK, "--port", str(port), "--dtype", "bfloat16"),
            *("--max-model-len", str(CONTEXT_TOKENS), "--enforce-eager"),
            *("--max-num-seqs", str(SEQUENCES_MAX)),
            # Without it the answer does not say how much of a prompt was cached.
            "--enable-prompt-tokens-details",
            # Else what a schema allows is, for random weights, an endless white space.
            *("--structured-outputs-config", COMPACT_JSON),
            # Its log is where an abort can be seen: no counter shows one.
            "--enable-log-requests",
            *more,
        ]

    return ServerProgram(
        name="vLLM",
        command=_command,
        health="/health",
        variables=ENGINE_VARIABLES,
        start_seconds=START_SECONDS,
    )
