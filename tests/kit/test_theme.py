"""The admin's theme as it is read: its icons are not said, what scrolls has a name."""

import re
from pathlib import Path
from typing import Any

import pytest
import unfold
from django.template import engines

from kit.theme import _MENDED, mended

THEME = Path(unfold.__file__).parent / "templates"
FILES = sorted(THEME.rglob("*.html"))
OURS = sorted(
    (Path(__file__).resolve().parents[2] / "platform/kit/admin/templates").rglob(
        "*.html"
    )
)
TAG_OF_AN_ICON = re.compile(r"<\w+[^<>]*material-symbols-outlined")


def said(text: str) -> list[str]:
    """Return the icons whose names a reader of the screen says."""
    return [
        tag
        for tag in TAG_OF_AN_ICON.findall(text)
        if 'aria-hidden="true"' not in tag and not tag.startswith("<button")
    ]


def test_no_icon_of_the_theme_is_said() -> None:
    before = [tag for file in FILES for tag in said(file.read_text())]
    assert len(before) > 50
    assert [tag for file in FILES for tag in said(mended(file.read_text()))] == []


def test_no_icon_of_ours_in_its_place_is_said() -> None:
    names = [file for file in OURS if "material-symbols" in file.read_text()]
    assert names
    for file in names:
        for found in TAG_OF_AN_ICON.finditer(text := file.read_text()):
            whole = text[found.start() : text.index(">", found.end())]
            assert 'aria-hidden="true"' in whole, file


@pytest.mark.parametrize(
    "wrong", [wrong for wrong, _ in _MENDED], ids=lambda wrong: wrong.pattern[:24]
)
def test_what_is_mended_is_still_in_the_theme(wrong: re.Pattern[str]) -> None:
    assert [file for file in FILES if wrong.search(file.read_text())]


@pytest.mark.parametrize(
    "name", ["unfold/helpers/app_list.html", "unfold/widgets/select.html"]
)
def test_pages_are_made_of_the_mended_templates(name: str) -> None:
    shown: Any = engines["django"].get_template(name)
    assert said((THEME / name).read_text())
    assert said(shown.template.source) == []
