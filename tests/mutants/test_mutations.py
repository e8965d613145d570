"""What mutants are made of a module, and that nobody is made twice or unchanged."""

import ast
import textwrap

from tests.mutants.modules import MODULES
from tests.mutants.mutations import mutants_of
from tests.mutants.runner import ROOT


def changes(source: str, *only: str) -> list[str]:
    """Return what changes in the mutants of a source."""
    made = mutants_of(textwrap.dedent(source), only=frozenset(only))
    return [mutant.change for mutant in made]


def test_each_kind_of_place_is_changed() -> None:
    source = """
        def f(a: int = 1, *, b: "str") -> None:
            "A text."
            if a < 2 and not b:
                self.x = a + 1
            total += 3 if a else 4
            if a:
                g()
            raise E("text")
    """
    assert changes(source) == [
        "1 -> 2",
        "a < 2 and (not b) -> a < 2 or not b",
        "a < 2 -> a <= 2",
        "2 -> 3",
        "not b -> b",
        "self.x = a + 1 -> pass",
        "a + 1 -> a - 1",
        "1 -> 2",
        "total += 3 if a else 4 -> total -= 3 if a else 4",
        "total += 3 if a else 4 -> pass",
        "3 if a else 4 -> 4 if a else 3",
        "3 -> 4",
        "4 -> 5",
        "if a:\n    g() -> if not a:\n    g()",
        "g() -> pass",
        "raise E('text') -> pass",
    ]


def test_only_some_functions_are_changed() -> None:
    source = """
        A = 1
        def f(): return 2
        def g(): return 3
    """
    assert changes(source, "g") == ["3 -> 4"]


def test_a_mutant_differs_in_one_place_and_compiles() -> None:
    source = (ROOT / "metering/intake/amounts.py").read_text()
    whole = ast.unparse(ast.parse(source)).splitlines()
    texts = set()
    for mutant in mutants_of(source):
        compile(mutant.tree, "mutant", "exec")
        text = ast.unparse(mutant.tree)
        lines = text.splitlines()
        differing = [a for a, b in zip(whole, lines, strict=True) if a != b]
        assert len(differing) == 1
        texts.add(text)
    assert len(texts) == len(list(mutants_of(source))) > 10


def test_the_modules_and_their_tests_are_there() -> None:
    for module in MODULES:
        assert (ROOT / module.path).is_file()
        for test in module.tests:
            assert (ROOT / test).is_file()
