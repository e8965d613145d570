"""Two or more gateways of ours beside each other: each round is compared with itself.

Only the quieter half of the rounds counts, so give many. Pure.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.bench.report import Measurement, faults, grid, load_of, noise
from tests.bench.scenarios import Scenario

_Figure = Callable[[Measurement], float | None]


def cost_table(
    scenario: Scenario, rows: Mapping[str, Sequence[Measurement]], *, base: str
) -> str:
    """Return what each gateway needs, as medians and as shares of the base's."""
    columns: list[tuple[str, _Figure]] = [
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
    columns += [
        ("postgres us/req", lambda row: row.database_ms_per_1k_requests),
        ("valkey us/req", lambda row: row.cache_ms_per_1k_requests),
        ("together", lambda row: row.all_ms_per_1k_requests),
    ]
    lines = [["gateway", *(cell for title, _ in columns for cell in (title, "x"))]]
    quiet = _quieter_half(rows)
    for name, measured in quiet.items():
        line = [name]
        for _, figure in columns:
            line += _cells(figure, measured, quiet[base])
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
    figure: _Figure, measured: Sequence[Measurement], base: Sequence[Measurement]
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
        f"{statistics.median(a / b for a, b in pairs):.3f}" if pairs else "-",
    ]


def _us_per_token(row: Measurement) -> float | None:
    cost = row.cpu_ms_per_100k_tokens
    return None if cost is None else cost / 100
