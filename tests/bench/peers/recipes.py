"""How each peer is started in front of the engine, and what of it cannot be measured.

As in production and as fast as it goes: one worker, no request log, no store of its
own. None of them has limits, budgets or a durable meter in these runs. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
REQUESTS_MAX = 16_384
# What litellm asks of its callers.
KEY = "sk-bench"
_LITELLM_CONF = """
model_list:
  - model_name: {model}
    litellm_params:
      model: hosted_vllm/{model}
      api_base: {engine}/v1
      api_key: none
general_settings:
  master_key: {key}
"""
_TENSORZERO_CONF = """
[gateway]
observability.enabled = false

[models.{model}]
routing = ["engine"]

[models.{model}.providers.engine]
type = "vllm"
model_name = "{model}"
api_base = "{engine}/v1/"
api_key_location = "none"
"""
# The package brings its gateway as a library, which chooses the port.
_TENSORZERO_START = """
import signal, sys, tensorzero
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None,
    async_setup=False,
)
print(gateway.base_url, flush=True)
signal.pause()
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a peer is to listen."""

    requests: int
    metrics: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """A command, what it needs, and how the running peer is spoken to."""

    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    # Files to be written first, by name.
    files: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    model: str = ""
    key: str = ""
    # It says on its first line where it listens, rather than being told.
    says_where: bool = False
    start_s_max: float = 30.0


# Overloaded by far, it would only show how it times out.
LEFT_OUT: Mapping[str, frozenset[str]] = {
    "litellm": frozenset({"c128", "c128h", "sat", "s1000", "s5000"}),
    "sglang-router": frozenset({"s5000"}),
    "tensorzero": frozenset({"s5000"}),
    "vllm-router": frozenset({"s5000"}),
}


def recipe(
    name: str, *, programs: Path, folder: Path, engine: str, ports: Ports, model: str
) -> Recipe:
    """Return how to start a peer whose files may lie in `folder`."""
    port = ports.requests
    terms = {"model": model, "engine": engine, "key": KEY}
    router = [
        *("--worker-urls", engine, "--host", HOST, "--port", str(port)),
        *("--policy", "round_robin"),
        *("--max-concurrent-requests", str(REQUESTS_MAX)),
    ]
    if name == "vllm-router":
        program = str(programs / name)
        return Recipe([program, *router, "--log-level", "warning"])
    if name == "sglang-router":
        program = str(programs / name)
        return Recipe(
            [
                *(program, "launch", *router, "--log-level", "error"),
                *("--prometheus-port", str(ports.metrics)),
            ]
        )
    if name == "tensorzero":
        conf = folder / "tensorzero.toml"
        return Recipe(
            [str(programs / "python"), "-c", _TENSORZERO_START, str(conf)],
            variables={"RUST_LOG": "warn"},
            files={conf.name: _TENSORZERO_CONF.format(**terms)},
            path="/openai/v1/chat/completions",
            model=f"tensorzero::model_name::{model}",
            says_where=True,
        )
    conf = folder / "litellm.yaml"
    return Recipe(
        [
            *(str(programs / name), "--config", str(conf), "--num_workers", "1"),
            *("--host", HOST, "--port", str(port), "--telemetry", "False"),
        ],
        variables={
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        files={conf.name: _LITELLM_CONF.format(**terms)},
        key=KEY,
        start_s_max=90.0,
    )
