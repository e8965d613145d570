"""`make figures`: the README's table and its plot, from the saved results.

Both say what `latest.json` says; a test holds the three together. Failure: no results,
or no markers in the README, is one line.
"""

import sys
from pathlib import Path

from tests.bench.plot import plot
from tests.bench.results import LATEST, Results, ResultsError, read
from tests.bench.targets import DIRECT, NGINX, TOLLGATE
from tests.journeys.product import ROOT

README = ROOT / "README.md"
PLOT = ROOT / "platform" / "docs" / "images" / "figures.svg"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
_NOTHING = "–"


def table(results: Results) -> str:
    """Return the README's table, and below it where its figures are from."""
    lines = [
        "| load | first token, ms | next token, ms | tokens/s | CPU beside nginx |",
        "|---|---|---|---|---|",
    ]
    for scenario, load in results.loads.items():
        cells = [
            load,
            _added(results, scenario, "first_ms"),
            _added(results, scenario, "gap_ms"),
            _rate(results, scenario),
            _shown(_ratio(results, scenario), "{:.2f} ×"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _origin(results)])


def written(readme: str, results: Results) -> str:
    """Return the README with the table between its markers; raises `ResultsError`."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ResultsError(f"README.md: no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{table(results)}\n{END}{after}"


def main(latest: Path = LATEST, readme: Path = README, picture: Path = PLOT) -> int:
    """Write both from the saved results and return the exit status."""
    try:
        results = read(latest)
        readme.write_text(written(readme.read_text(), results))
    except ResultsError as error:
        sys.stderr.write(f"figures: {error}\n")
        return 1
    picture.write_text(plot(results))
    return 0


def _added(results: Results, scenario: str, figure: str) -> str:
    """Return what Tollgate adds, half of the time and one time in a hundred."""
    if not results.are_delays_ours:
        return _NOTHING
    shown = []
    for share in ("p50", "p99"):
        ours, direct = (
            results.figure(scenario, target, f"{figure}_{share}")
            for target in (TOLLGATE, DIRECT)
        )
        if ours is None or direct is None:
            return _NOTHING
        shown.append(f"{ours - direct:+.2f}".replace("-", "−"))
    return " / ".join(shown)


def _rate(results: Results, scenario: str) -> str:
    rate = results.figure(scenario, TOLLGATE, "tokens_per_s")
    return _shown(rate if results.are_delays_ours else None, "{:,.0f}")


def _ratio(results: Results, scenario: str) -> float | None:
    cost = "cpu_ms_per_100k_tokens"
    ours, theirs = (results.figure(scenario, each, cost) for each in (TOLLGATE, NGINX))
    return ours / theirs if ours and theirs else None


def _origin(results: Results) -> str:
    machine, versions = results.machine, results.versions
    rounds = f"{results.rounds} round{'s' if results.rounds > 1 else ''}"
    said = (
        "Added to what the engine alone takes, p50 / p99; medians of"
        f" {rounds} of {results.window_s:g} s, measured on"
        f" {results.measured_at[:10]} by `make bench` on {machine['cores']} cores"
        f" ({machine['processor']}), one of them the gateway's; Python"
        f" {versions['python']}, Tollgate {versions['tollgate']}."
    )
    if results.are_delays_ours:
        return said
    return (
        f"{said} Others used up to {results.other_cores_max:.1f} cores meanwhile:"
        " CPU still compares, delays and rates do not and are left out."
    )


def _shown(figure: float | None, form: str) -> str:
    return _NOTHING if figure is None else form.format(figure)


if __name__ == "__main__":
    sys.exit(main())
