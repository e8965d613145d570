"""The saved results as one SVG: two colours that hold on light and on dark.

Three small plots side by side, a bar for each gateway; one that is off the scale is cut
and says its figure. A reader's own scheme decides on the rest, and whoever cannot see
it is told the figures. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from tests.bench.bars import PER_REQUEST, PER_TOKEN, added
from tests.bench.peers.environments import PEERS
from tests.bench.results import Results
from tests.bench.targets import NGINX, TOLLGATE

_WIDTH, _PANEL, _LEFT, _BAR, _ROW, _NAME = 960, 300, 20, 18, 24, 92
# A bar this many times as long as ours would make all others stubs.
_CUT_AT = 4.0
_STYLE = """
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1c2636 }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #5b6b82 }
  .ours { fill: #2f5bd8 }
  .other { fill: #9aa6b6 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6ebf2 }
    .quiet { fill: #9fb0c7 }
    .ours { fill: #6f93ff }
    .other { fill: #6b7789 }
  }
"""
_GATEWAYS = (NGINX, *PEERS, TOLLGATE)


@dataclass(frozen=True, slots=True)
class Panel:
    """One small plot: a title, its unit, and a bar for each gateway."""

    title: str
    unit: str
    scenario: str
    figure: str
    is_added: bool = False


PANELS = (
    Panel("CPU of a request", "ms for 1,000", "ns", PER_REQUEST),
    Panel("CPU of streamed tokens", "ms for 100,000", "c128h", PER_TOKEN),
    Panel(
        "Added to the first token",
        "ms, median",
        "c128h",
        "first_ms_p50",
        is_added=True,
    ),
)


def value(results: Results, panel: Panel, target: str) -> float | None:
    """Return what a bar shows: the figure, less the engine's own for a delay."""
    if not panel.is_added:
        return results.figure(panel.scenario, target, panel.figure)
    if not results.are_delays_ours:
        return None
    delay = added(results, panel.scenario, target, panel.figure)
    # A median below the engine's own is noise; no bar goes to the left.
    return None if delay is None else max(delay, 0.0)


def plot(results: Results) -> str:
    """Return the plot as an SVG document."""
    shown = {panel: bars for panel in PANELS if (bars := _bars(results, panel))}
    rows = max(map(len, shown.values()), default=0)
    height = 84 + rows * _ROW
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d"'
        f' viewBox="0 0 {_WIDTH} {height}">',
        '<title id="t">Tollgate beside others, in front of the same engine</title>',
        f'<desc id="d">{escape(_spoken(shown))}</desc>',
        f"<style>{_STYLE}</style>",
    ]
    for number, (panel, bars) in enumerate(shown.items()):
        # How many; at which pace has no room here.
        load, *_ = results.loads.get(panel.scenario, panel.scenario).split(",")
        x = _LEFT + number * (_PANEL + 12)
        parts += _panel(panel, bars, load=load, x=x)
    return "\n".join([*parts, "</svg>", ""])


def _bars(results: Results, panel: Panel) -> dict[str, float]:
    """Return what is known of each gateway; nothing at all without ours."""
    bars = {
        name: bar
        for name in _GATEWAYS
        if (bar := value(results, panel, name)) is not None
    }
    return bars if TOLLGATE in bars else {}


def _panel(panel: Panel, bars: dict[str, float], *, load: str, x: int) -> Iterator[str]:
    most = min(max(bars.values()), bars[TOLLGATE] * _CUT_AT) or 1.0
    room = _PANEL - _NAME - 62
    yield _text(panel.title, x, 26, kind="title")
    yield _text(f"{panel.unit}; {load}", x, 46, kind="quiet")
    for row, (name, bar) in enumerate(bars.items()):
        top = 62 + row * _ROW
        width = max(min(bar / most, 1.0) * room, 1)
        kind = "ours" if name == TOLLGATE else "other"
        yield _text(name, x, top + 13)
        yield _rect(kind, x + _NAME, top, width=width, height=_BAR)
        cut = "» " if bar > most else ""
        yield _text(f"{cut}{_number(bar)}", x + _NAME + width + 6, top + 13)


def _rect(kind: str, x: float, y: float, *, width: float, height: float) -> str:
    size = f'width="{width:.1f}" height="{height}"'
    return f'<rect class="{kind}" x="{x}" y="{y}" {size} rx="2"/>'


def _text(content: str, x: float, y: float, *, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text{css} x="{x:.0f}" y="{y}">{escape(content)}</text>'


def _spoken(shown: dict[Panel, dict[str, float]]) -> str:
    """Return the plot in words, for who cannot see it."""
    return " ".join(
        f"{panel.title} ({panel.unit}): "
        + ", ".join(f"{name} {_number(bar)}" for name, bar in bars.items())
        + "."
        for panel, bars in shown.items()
    )


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"
