"""The repository's style, as far as a program can see it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("platform", "tenants", "metering", "inference")
NAMELESS = {"utils", "util", "helpers", "common", "misc", "lib", "shared"}
MODULE_LINES_MAX, TEST_LINES_MAX, FUNCTION_LINES_MAX = 400, 500, 70


def sources(*folders: str) -> list[Path]:
    """Return the Python files of these folders that somebody wrote by hand."""
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    )


def longer(paths: list[Path], lines_max: int) -> Iterator[str]:
    """Name the files with more lines than that."""
    for path in paths:
        lines = len(path.read_text().splitlines())
        if lines > lines_max:
            yield f"{path.relative_to(ROOT)}: {lines} lines"


def long_functions(paths: list[Path]) -> Iterator[str]:
    """Name the functions with more lines than one can hold in mind."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    place = f"{_shown(path)}:{node.lineno}"
                    yield f"{place} {node.name}: {lines} lines"


def _shown(path: Path) -> str:
    return str(path).removeprefix(f"{ROOT}/")


def test_modules_are_short_enough_to_read() -> None:
    assert list(longer(sources(*PRODUCT), MODULE_LINES_MAX)) == []


def test_test_modules_are_short_enough_to_read() -> None:
    assert list(longer(sources("tests"), TEST_LINES_MAX)) == []


def test_functions_are_short_enough_to_read() -> None:
    assert list(long_functions(sources(*PRODUCT, "tests"))) == []


def test_a_module_is_named_after_what_it_is() -> None:
    assert [path for path in sources(*PRODUCT, "tests") if path.stem in NAMELESS] == []


def test_a_module_begins_by_saying_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCT)
        if path.name != "__init__.py"
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_forms_take_numbers_by_our_own_fields() -> None:
    """Django's read `1e3`, `1_000` and digits of other scripts as numbers too."""
    loose = re.compile(r"\bforms\.(?:Integer|Decimal|Float)Field\b")
    found = [
        _shown(path) for path in sources(*PRODUCT) if loose.search(path.read_text())
    ]
    assert found == ["platform/kit/number_fields.py"]


def test_platform_is_a_source_root_and_no_package() -> None:
    """A package of that name would hide the standard library's `platform`."""
    assert list((ROOT / "platform").glob("*.py")) == []


def test_the_project_has_no_comment_that_promises() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    promising = [
        f"{path.relative_to(ROOT)}: {mark}"
        for path in sources(*PRODUCT, "tests")
        for mark in marks
        if mark in path.read_text()
    ]
    assert promising == []


@pytest.mark.parametrize("lines", [FUNCTION_LINES_MAX, FUNCTION_LINES_MAX + 1])
def test_the_measure_of_functions_counts_right(tmp_path: Path, lines: int) -> None:
    module = tmp_path / "measured.py"
    module.write_text("\n".join(["async def f():", *["    pass"] * (lines - 1)]))
    assert len(list(long_functions([module]))) == (lines > FUNCTION_LINES_MAX)
