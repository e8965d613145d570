"""Run a real llama.cpp server for the length of a test session.

It is the server of llama-cpp-python: an engine that takes one request at a time and
never reports usage in a stream.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from config.local.children import LOOPBACK
from tests.engines.llamacpp_environment import LlamaCppEnvironment, ensure_llamacpp
from tests.engines.server_process import ServerProgram, running_servers

SERVED_MODEL = "wordy"
CONTEXT_TOKENS = 4096
START_SECONDS = 240.0


@contextmanager
def running_llamacpp() -> Iterator[str]:
    """Yield the base URL of a server that answers."""
    with running_servers(llamacpp_program(ensure_llamacpp())) as [server]:
        yield server.url


def llamacpp_program(environment: LlamaCppEnvironment) -> ServerProgram:
    """Return the server's command."""

    def _command(port: int) -> list[str]:
        return [
            *(str(environment.python), "-I", "-m", "llama_cpp.server"),
            *("--model", str(environment.model), "--model_alias", SERVED_MODEL),
            *("--host", LOOPBACK, "--port", str(port)),
            *("--n_ctx", str(CONTEXT_TOKENS), "--n_threads", "1"),
            # As it comes, a second request would end the first one's answer.
            *("--interrupt_requests", "False"),
        ]

    return ServerProgram(
        name="llama.cpp",
        command=_command,
        health="/v1/models",
        variables={},
        start_seconds=START_SECONDS,
    )
