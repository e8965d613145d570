"""Templates hold nothing that the pages' policy forbids: no script, no inline style.

The reference of the API and live pages run scripts, each a file of ours.
"""

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "platform" / "pages"
TEMPLATES = sorted((PAGES / "templates").rglob("*.html"))
STYLES = sorted((PAGES / "static").rglob("*.css"))
HTMX = r"\{% static 'django_htmx/htmx-2.min.js' %\}"
OURS = r"\{% static 'pages/[a-z_]+\.js' %\}"
OUR_FILE = rf"(?:\{{\{{ (?:swagger_ui_\w+|script_url) \}}\}}|{HTMX}|{OURS})"
OUR_SCRIPT = rf'(?: type="module")? src="{OUR_FILE}"(?: defer)?></script>'
FORBIDDEN = re.compile(
    rf"<script(?!{OUR_SCRIPT})|<style|\sstyle=|\son[a-z]+=|javascript:|https?://|@import",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "file", [*TEMPLATES, *STYLES], ids=lambda file: file.relative_to(PAGES).as_posix()
)
def test_nothing_inline_and_nothing_foreign(file: Path) -> None:
    assert not FORBIDDEN.search(file.read_text())


def test_there_are_templates_and_styles() -> None:
    assert len(TEMPLATES) > 4
    assert len(STYLES) > 2


@pytest.mark.parametrize(
    "file",
    [style for style in STYLES if style.name != "tokens.css"],
    ids=lambda file: file.name,
)
def test_only_the_tokens_name_a_colour(file: Path) -> None:
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb|hsl", file.read_text())
