"""`make figures`: the README's table, its plot and the page of all loads.

All say what `latest.json` says; a test holds them together. Failure: no results, or no
markers in the README, is one line.
"""

import sys
from pathlib import Path

from tests.bench.bars import PER_REQUEST, PER_TOKEN, added, bars_markdown
from tests.bench.peers.environments import PEERS
from tests.bench.plot import plot
from tests.bench.results import LATEST, Results, ResultsError, read
from tests.bench.targets import NGINX, TOLLGATE
from tests.journeys.product import ROOT

README = ROOT / "README.md"
PLOT = ROOT / "platform" / "docs" / "images" / "figures.svg"
PAGE = LATEST.with_suffix(".md")
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
_NOTHING = "–"
_DONE = {
    NGINX: "none",
    "vllm-router": "none",
    "sglang-router": "none",
    "tensorzero": "none in this run",
    "litellm": "key only in this run",
    TOLLGATE: "all, as below",
}


def table(results: Results) -> str:
    """Return the README's table, and below it where its figures are from."""
    return f"{_beside(results)}\n\n{_origin(results)}"


def page(results: Results) -> str:
    """Return the page of all loads, and of what is aimed at."""
    lines = [
        "# What the last saved run of the bench saw of Tollgate",
        "",
        "Written by `make figures`. First and next token: what is added to the engine's"
        " own, p50 / p99, in ms. CPU: ms of the gateway, PostgreSQL and Valkey for a"
        " thousand requests.",
        "",
        "| | load | first token | next token | longest gap | tokens/s"
        " | CPU beside nginx | gateway | PostgreSQL | Valkey | together |",
        f"|{'---|' * 11}",
    ]
    for scenario, load in results.loads.items():
        cells = [
            f"`{scenario}`",
            load,
            _added(results, scenario, "first_ms"),
            _added(results, scenario, "gap_ms"),
            _delay(results, scenario, "gap_ms_max"),
            _rate(results, scenario),
            _shown(_ratio(results, scenario, TOLLGATE), "{:.2f} ×"),
            *(
                _shown(results.figure(scenario, TOLLGATE, figure), "{:,.0f}")
                for figure in (
                    PER_REQUEST,
                    "database_ms_per_1k_requests",
                    "cache_ms_per_1k_requests",
                    "all_ms_per_1k_requests",
                )
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    aims = ["", "What is aimed at, and what was seen:", "", bars_markdown(results)]
    return "\n".join([*lines, *aims, "", _origin(results), ""])


def written(readme: str, results: Results) -> str:
    """Return the README with the table between its markers; raises `ResultsError`."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ResultsError(f"README.md: no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{table(results)}\n{END}{after}"


def main(
    latest: Path = LATEST,
    readme: Path = README,
    picture: Path = PLOT,
    loads: Path = PAGE,
) -> int:
    """Write all from the saved results and return the exit status."""
    try:
        results = read(latest)
        readme.write_text(written(readme.read_text(), results))
    except ResultsError as error:
        sys.stderr.write(f"figures: {error}\n")
        return 1
    picture.write_text(plot(results))
    loads.write_text(page(results))
    return 0


def _beside(results: Results) -> str:
    """Return a line for every gateway that was measured."""
    lines = [
        "| one core | CPU of a request, `ns` | CPU of a token, `c128h` | tokens/s of a"
        " core, `sat` | first token later by, `c128h` | an open stream"
        " | auth, limits, budgets, durable metering |",
        f"|{'---|' * 7}",
    ]
    for name in (NGINX, *PEERS, TOLLGATE):
        if not any(name in targets for targets in results.medians.values()):
            continue
        per_token = results.figure("sat", name, PER_TOKEN)
        later = added(results, "c128h", name, "first_ms_p50")
        cells = [
            f"**{name}**" if name == TOLLGATE else name,
            _shown(_ratio(results, "ns", name), "{:.1f} ×"),
            _shown(_ratio(results, "c128h", name), "{:.2f} ×"),
            _shown(1e8 / per_token if per_token else None, "{:,.0f}"),
            _shown(later if results.are_delays_ours else None, "{:+.2f} ms"),
            _shown(results.figure("s1000", name, "stream_kib"), "{:,.0f} KiB"),
            _DONE[name],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _added(results: Results, scenario: str, figure: str) -> str:
    """Return what Tollgate adds, half of the time and one time in a hundred."""
    is_known = results.figure(scenario, TOLLGATE, f"{figure}_p50") is not None
    if not (results.are_delays_ours and is_known):
        return _NOTHING
    half, most = (
        added(results, scenario, TOLLGATE, f"{figure}_{share}")
        for share in ("p50", "p99")
    )
    return f"{_shown(half, '{:+.2f}')} / {_shown(most, '{:+.2f}')}"


def _delay(results: Results, scenario: str, figure: str) -> str:
    value = results.figure(scenario, TOLLGATE, figure)
    return _shown(value if results.are_delays_ours else None, "{:,.0f}")


def _rate(results: Results, scenario: str) -> str:
    rate = results.figure(scenario, TOLLGATE, "tokens_per_s")
    return _shown(rate if results.are_delays_ours else None, "{:,.0f}")


def _ratio(results: Results, scenario: str, target: str) -> float | None:
    """Return a gateway's CPU as a multiple of nginx's, for the same work."""
    ours, theirs = (
        results.figure(scenario, each, PER_TOKEN) for each in (target, NGINX)
    )
    return ours / theirs if ours and theirs else None


def _origin(results: Results) -> str:
    machine, versions = results.machine, results.versions
    rounds = f"{results.rounds} round{'s' if results.rounds > 1 else ''}"
    others = ", ".join(
        f"{name} {versions[name]}" for name in (NGINX, *PEERS) if name in versions
    )
    said = (
        f"Medians of {rounds} of {results.window_s:g} s in turns, measured on"
        f" {results.measured_at[:10]} by `make bench` on {machine['cores']} cores"
        f" ({machine['processor']}), one of them the gateway's; Python"
        f" {versions['python']}, {others}{', ' if others else ''}Tollgate"
        f" {versions['tollgate']} with {results.conditions}."
    )
    if results.are_delays_ours:
        return said
    return (
        f"{said} Others used up to {results.other_cores_max:.1f} cores meanwhile:"
        " CPU still compares, delays and rates do not and are left out."
    )


def _shown(figure: float | None, form: str) -> str:
    return _NOTHING if figure is None else form.format(figure).replace("-", "−")


if __name__ == "__main__":
    sys.exit(main())
