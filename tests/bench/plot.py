"""The saved results as one SVG: two colours that hold on light and on dark.

Small plots side by side, a pair of bars for each load; a reader's own scheme decides on
the rest, and whoever cannot see it is told the figures. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from tests.bench.results import Results
from tests.bench.targets import DIRECT, NGINX, TOLLGATE

_WIDTH, _PANEL, _LEFT, _BAR, _ROW = 960, 300, 20, 18, 68
_STYLE = """
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1c2636 }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #5b6b82 }
  .tollgate { fill: #2f5bd8 }
  .nginx { fill: #9aa6b6 }
  .axis { stroke: #cfd6e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6ebf2 }
    .quiet { fill: #9fb0c7 }
    .tollgate { fill: #6f93ff }
    .nginx { fill: #6b7789 }
    .axis { stroke: #3b4656 }
  }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One small plot: a title, its unit, and a pair of bars for each load."""

    title: str
    unit: str
    figure: str
    scenarios: Sequence[str]
    is_added: bool = False


PANELS = (
    Panel(
        "Added to the first token",
        "ms, median",
        "first_ms_p50",
        ("c16", "c128h"),
        is_added=True,
    ),
    Panel(
        "Added to every next token",
        "ms, median",
        "gap_ms_p50",
        ("c16", "c128h"),
        is_added=True,
    ),
    Panel(
        "Gateway's CPU",
        "ms for 100,000 tokens",
        "cpu_ms_per_100k_tokens",
        ("c128h", "sat"),
    ),
)


def value(results: Results, panel: Panel, scenario: str, target: str) -> float | None:
    """Return what a bar shows: the figure, less the engine's own for a delay."""
    own = results.figure(scenario, target, panel.figure)
    if not panel.is_added:
        return own
    if not results.are_delays_ours:
        return None
    direct = results.figure(scenario, DIRECT, panel.figure)
    # A median below the engine's own is noise; no bar goes to the left.
    return None if own is None or direct is None else max(own - direct, 0.0)


def plot(results: Results) -> str:
    """Return the plot as an SVG document."""
    shown = [panel for panel in PANELS if _has_bars(results, panel)]
    rows = max((len(panel.scenarios) for panel in shown), default=0)
    height = 96 + rows * _ROW
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d"'
        f' viewBox="0 0 {_WIDTH} {height}">',
        '<title id="t">Tollgate beside nginx, in front of the same engine</title>',
        f'<desc id="d">{escape(_spoken(results))}</desc>',
        f"<style>{_STYLE}</style>",
    ]
    for number, panel in enumerate(shown):
        parts += _panel(results, panel, x=_LEFT + number * (_PANEL + 12))
    y = height - 18
    for name, label, x in (
        (TOLLGATE, "Tollgate", _LEFT),
        (NGINX, "nginx, a plain proxy", _LEFT + 110),
    ):
        parts += [_rect(name, x, y - 11, width=12, height=12), _text(label, x + 18, y)]
    return "\n".join([*parts, "</svg>", ""])


def _has_bars(results: Results, panel: Panel) -> bool:
    return any(
        value(results, panel, scenario, TOLLGATE) is not None
        for scenario in panel.scenarios
    )


def _panel(results: Results, panel: Panel, *, x: int) -> Iterator[str]:
    bars = {
        (scenario, target): value(results, panel, scenario, target)
        for scenario in panel.scenarios
        for target in (TOLLGATE, NGINX)
    }
    most = max((bar for bar in bars.values() if bar is not None), default=0.0) or 1.0
    room = _PANEL - 70
    yield _text(panel.title, x, 26, kind="title")
    yield _text(panel.unit, x, 44, kind="quiet")
    y = 68
    for scenario in panel.scenarios:
        yield _text(results.loads.get(scenario, scenario), x, y, kind="quiet")
        yield f'<path class="axis" d="M{x} {y + 6}v{2 * _BAR + 4}"/>'
        for row, target in enumerate((TOLLGATE, NGINX)):
            bar, top = bars[scenario, target], y + 6 + row * (_BAR + 4)
            if bar is not None:
                width = max(bar / most * room, 1)
                yield _rect(target, x, top, width=width, height=_BAR)
                yield _text(_number(bar), x + width + 6, top + 13)
        y += _ROW


def _rect(kind: str, x: float, y: float, *, width: float, height: float) -> str:
    size = f'width="{width:.1f}" height="{height}"'
    return f'<rect class="{kind}" x="{x}" y="{y}" {size} rx="2"/>'


def _text(content: str, x: float, y: float, *, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text{css} x="{x:.0f}" y="{y}">{escape(content)}</text>'


def _spoken(results: Results) -> str:
    """Return the plot in words, for who cannot see it."""
    said = []
    for panel in PANELS:
        for scenario in panel.scenarios:
            ours, theirs = (
                value(results, panel, scenario, target) for target in (TOLLGATE, NGINX)
            )
            if ours is not None:
                beside = f", nginx {_number(theirs)}" if theirs is not None else ""
                load = results.loads.get(scenario, scenario)
                figures = f"Tollgate {_number(ours)}{beside}"
                said.append(f"{panel.title} ({panel.unit}), {load}: {figures}.")
    return " ".join(said)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"
