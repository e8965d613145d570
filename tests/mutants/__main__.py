"""Mutate the core of the meter and see that its tests notice: `make mutants`.

Prints each module's score and its survivors, and fails below the score. What is listed
in `modules` as changing nothing does not count, as long as it is not killed.
"""

import argparse
import sys
import time
from collections import Counter

from tests.mutants.modules import MODULES, Module
from tests.mutants.mutations import mutants_of
from tests.mutants.runner import ROOT, Fate, load, run, seconds

SCORE_MIN = 0.9
PATIENCE = 5.0


def main() -> int:
    """Mutate the modules that were asked for, and say how it went."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as slots; all if none")
    parser.add_argument("--each", type=int, default=1, help="only every so manieth")
    asked = parser.parse_args()
    load()
    killed = total = 0
    for module in MODULES:
        if asked.modules and module.name.rpartition(".")[2] not in asked.modules:
            continue
        fates, survivors = _mutate(module, each=asked.each)
        counted = fates.total() - fates["accepted"]
        noticed = counted - fates[Fate.SURVIVED]
        killed, total = killed + noticed, total + counted
        _say(f"{module.name}: {_score(noticed, counted)} {dict(fates)}")
        for survivor in survivors:
            _say(f"  {survivor}")
    _say(f"score: {_score(killed, total)}")
    return 0 if killed >= SCORE_MIN * total else 1


def _mutate(module: Module, *, each: int) -> tuple[Counter[str], list[str]]:
    source = (ROOT / module.path).read_text()
    took_s = seconds(module.name, source, module.tests)
    fates: Counter[str] = Counter()
    survivors: list[str] = []
    began = time.monotonic()
    for number, mutant in enumerate(mutants_of(source, only=module.only)):
        if number % each:
            continue
        fate = run(
            module.name, mutant.tree, module.tests, seconds_max=PATIENCE * took_s + 5
        )
        is_accepted = mutant.named(source) in module.accepted
        if fate is Fate.SURVIVED and is_accepted:
            fates["accepted"] += 1
            continue
        fates[fate] += 1
        if fate is Fate.SURVIVED:
            place = f"{module.path}:{mutant.line}"
            survivors.append(f"{place}: {mutant.change}")
            _say(f"    survived {survivors[-1]}")
    _say(f"{module.name}: {time.monotonic() - began:.0f} s, tests {took_s:.1f} s")
    return fates, survivors


def _score(killed: int, total: int) -> str:
    return f"{killed}/{total} = {killed / total:.1%}" if total else "nothing"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
