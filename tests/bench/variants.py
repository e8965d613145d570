"""The gateway three times: as it is, without its journal, and without commits either.

All are started the same way, beside a product whose database, workers and own gateway
they share, and are told apart only by what `left_out` leaves out. Failure: as for
`targets`.
"""

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from config.env import DatabaseSettings
from config.local.children import LOOPBACK, free_port
from tests.bench.left_out import COMMIT, JOURNAL
from tests.bench.machine import Cores, pin
from tests.bench.targets import MODEL, POLL_S, START_S_MAX, BenchError, Engine, Target
from tests.journeys.product import ROOT, Product, running_product

AS_IT_IS, NO_JOURNAL, NEITHER = "as it is", "no journal", "neither"
_LEFT_OUT = {AS_IT_IS: [], NO_JOURNAL: [JOURNAL], NEITHER: [JOURNAL, COMMIT]}


@dataclass(frozen=True, slots=True)
class Variants:
    """The running gateways, and the database behind them."""

    targets: Sequence[Target]
    database_url: str


@contextlib.contextmanager
def running_variants(engine: Engine, cores: Cores) -> Iterator[Variants]:
    """Run them all at once: only one of them is busy at a time."""
    settings = {"ENGINE_DIALECT": "vllm", "GATEWAYS": "1"}
    with (
        running_product(engine.url, MODEL, settings) as product,
        contextlib.ExitStack() as stack,
    ):
        yield Variants(
            [stack.enter_context(_gateway(name, product, cores)) for name in _LEFT_OUT],
            _gateway_role(product),
        )


def _gateway_role(product: Product) -> str:
    database = DatabaseSettings(database_url=product.env["DATABASE_URL"])  # type: ignore[call-arg]
    return database.url_for("gateway")


@contextlib.contextmanager
def _gateway(name: str, product: Product, cores: Cores) -> Iterator[Target]:
    port = free_port()
    own = {"PORT": str(port), "GATEWAY_NAME": name.replace(" ", "-")}
    command = [sys.executable, "-m", "tests.bench.left_out"]
    command += [f"--without={part}" for part in _LEFT_OUT[name]]
    output = product.state_dir / "logs" / f"{own['GATEWAY_NAME']}.log"
    with (
        output.open("wb") as log,
        subprocess.Popen(
            command,
            env={**product.env, **own},
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            pin(process.pid, cores.gateway)
            _wait_until_ready(process, port)
            yield Target(
                name,
                port,
                key=product.api_key,
                gateway_pid=process.pid,
                database_pid=product.pid("postgres"),
            )
        except BenchError as error:
            raise BenchError(f"{error}: {output.read_text()[-2000:]}") from None
        finally:
            process.terminate()


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_S_MAX
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError):
            address = f"http://{LOOPBACK}:{port}/readyz"
            with urllib.request.urlopen(address, timeout=1):
                return
        time.sleep(POLL_S)
    raise BenchError("a gateway of the bench does not start")
