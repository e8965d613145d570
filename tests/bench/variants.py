"""The gateway three times: as it is, without its journal, and without commits either.

All are started the same way, beside a product whose database, workers and own gateway
they share, and are told apart only by what `left_out` leaves out. A round is compared
with itself, and only the quieter half of them counts. Failure: as for `targets`.
"""

import contextlib
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.env import DatabaseSettings
from config.local.children import LOOPBACK, free_port
from tests.bench.left_out import COMMIT, JOURNAL
from tests.bench.machine import Cores, pin
from tests.bench.report import Measurement, faults, grid, load_of, noise
from tests.bench.scenarios import Scenario
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


def cost_table(scenario: Scenario, rows: Mapping[str, Sequence[Measurement]]) -> str:
    """Return what each variant needs, as medians and as shares of the last one's."""
    columns: list[tuple[str, Callable[[Measurement], float | None]]] = [
        ("req/s", lambda row: row.requests_per_s),
        ("cpu us/req", lambda row: row.cpu_ms_per_1k_requests),
    ]
    if scenario.stream:
        columns.append(("cpu us/token", _us_per_token))
    if scenario.is_paced:
        columns += [
            ("end ms p50", lambda row: row.ending_ms_p50),
            ("p99", lambda row: row.ending_ms_p99),
        ]
    columns.append(("postgres us/req", lambda row: row.database_ms_per_1k_requests))
    lines = [["gateway", *(cell for title, _ in columns for cell in (title, "x"))]]
    quiet = _quieter_half(rows)
    for name, measured in quiet.items():
        line = [name]
        for _, figure in columns:
            line += _cells(figure, measured, quiet[NEITHER])
        lines.append(line)
    head = f"\n{scenario.name}: {load_of(scenario)}\n"
    return "\n".join([head, *grid(lines), *faults(rows), *noise(quiet)])


def _quieter_half(
    rows: Mapping[str, Sequence[Measurement]],
) -> dict[str, list[Measurement]]:
    """Return the rounds in which others used least while any gateway was measured.

    A starved gateway finds more tokens at a time, and its chunks seem to cost less.
    """
    rounds = sorted(
        zip(*rows.values(), strict=True),
        key=lambda together: max(row.other_cores for row in together),
    )
    kept = rounds[: (len(rounds) + 1) // 2]
    return dict(zip(rows, map(list, zip(*kept, strict=True)), strict=True))


def _cells(
    figure: Callable[[Measurement], float | None],
    measured: Sequence[Measurement],
    base: Sequence[Measurement],
) -> list[str]:
    """Return a median, and the median of what it is in each round to the base's."""
    values = [value for row in measured if (value := figure(row)) is not None]
    pairs = [
        (ours, theirs)
        for row, other in zip(measured, base, strict=True)
        if (ours := figure(row)) is not None and (theirs := figure(other))
    ]
    if not values:
        return ["-", "-"]
    median = statistics.median(values)
    return [
        f"{median:,.{0 if median >= 100 else 2}f}",
        f"{statistics.median(a / b for a, b in pairs):.2f}" if pairs else "-",
    ]


def _us_per_token(row: Measurement) -> float | None:
    cost = row.cpu_ms_per_100k_tokens
    return None if cost is None else cost / 100


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
