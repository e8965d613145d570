"""A gateway and an engine, each a process of its own, as the crowds meet them.

The data plane is whole but for its meter, which only records: what crowds cost is told
apart from what a database does. Owns: both processes, which end with the block.
"""

import gc
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from config.env import GatewaySettings
from config.gateway import GC_THRESHOLDS
from tests.inference.engines.simulator.running import running_simulator
from tests.inference.gateway.running import running_gateway

# As the product has it, unless it is told otherwise.
BODY_BYTES_MAX: int = GatewaySettings.model_fields["body_bytes_max"].default
FIRST_TOKEN_MS = 20.0
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a gateway listens, whom it knows, and which process it is."""

    port: int
    key: str
    model: str
    pid: int

    @property
    def rss_mib(self) -> float:
        """Return how much memory the gateway's process holds now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def staged() -> Iterator[Target]:
    """Run both until the block ends."""
    with _process(_run_engine) as (engine, _), _process(_run_gateway) as (pipe, pid):
        pipe.send(engine.recv())
        port, key, model = pipe.recv()
        yield Target(port, key, model, pid)


@contextmanager
def _process(run: Callable[[Connection], None]) -> Iterator[tuple[Connection, int]]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=run, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours, process.pid or 0
    finally:
        ours.send(None)
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()


def _run_engine(pipe: Connection) -> None:
    with running_simulator(first_token_ms=FIRST_TOKEN_MS) as simulator:
        pipe.send(simulator.base_url)
        pipe.recv()


def _run_gateway(pipe: Connection) -> None:
    url = pipe.recv()
    # As the product does, whose pauses are what is measured.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with running_gateway(body_bytes_max=BODY_BYTES_MAX) as gateway:
        model = gateway.serve(url, upstream_model="sim")
        pipe.send((gateway.port, gateway.key, model))
        pipe.recv()
