"""Everything at random, and every two faults at once, under clients of all kinds.

The dice of the seed choose the faults, whom they meet and how long they last. What may
differ is what the widest of the faults allows. Memory is weighed all the time, each
life of a process apart.
"""

import asyncio
import random
import time
from collections import Counter

from tests.chaos.clients import ALL_KINDS, Load
from tests.chaos.cluster import Cluster
from tests.chaos.faults import CATALOGUE, ONE_CHUNK, Fault, endure, pairs, possible
from tests.chaos.report import slope_per_hour
from tests.chaos.stage import Case, Setting, Stage

MINUTES = 30
PAUSE_S = (0.2, 1.5)
TOGETHER_MAX = 3
# A process that lived so long has something to say about its memory.
LIFE_S_MIN = 60.0
MIB = 1024 * 1024


async def everything(stage: Stage) -> None:
    """Let one to three faults at a time strike, until the time is over."""
    cluster, dice = stage.cluster, random.Random(stage.cluster.dice.random())
    ends_at, struck = time.monotonic() + stage.times, Counter[str]()
    async with stage.load() as load:
        while time.monotonic() < ends_at:
            await asyncio.sleep(dice.uniform(*PAUSE_S))
            chosen = _at_once(cluster, dice)
            struck.update(fault.name for fault in chosen)
            await _strike(stage, load, chosen, dice)
    stage.times = struck.total()
    stage.notes += [f"{times} x {name}" for name, times in sorted(struck.items())]
    stage.notes += _slopes(cluster)


async def alone(stage: Stage) -> None:
    """Let every fault strike by itself, so many times."""
    dice = random.Random(stage.cluster.dice.random())
    chosen = [[fault] for fault in possible(stage.cluster)] * stage.times
    await _all(stage, chosen, dice)


async def in_pairs(stage: Stage) -> None:
    """Let every two faults that can strike at once; or so many pairs, drawn."""
    dice = random.Random(stage.cluster.dice.random())
    all_pairs = [list(pair) for pair in pairs(possible(stage.cluster))]
    dice.shuffle(all_pairs)
    await _all(stage, all_pairs[: stage.times], dice)


async def _all(stage: Stage, rounds: list[list[Fault]], dice: random.Random) -> None:
    async with stage.load() as load:
        for chosen in rounds:
            await asyncio.sleep(dice.uniform(*PAUSE_S))
            await _strike(stage, load, chosen, dice)
    stage.times = len(rounds)


async def _strike(
    stage: Stage, load: Load, chosen: list[Fault], dice: random.Random
) -> None:
    """Let faults strike and end; note how long it then takes until all is normal."""
    load.raise_if_broken()
    await endure(stage.cluster, chosen, dice)
    ended_at = time.monotonic()
    await asyncio.gather(
        *(
            stage.normal_again(each, since=ended_at)
            for each in stage.cluster.gateways
            if each.is_in_turn
        )
    )


def _at_once(cluster: Cluster, dice: random.Random) -> list[Fault]:
    """Draw faults that can strike together."""
    faults = possible(cluster)
    dice.shuffle(faults)
    held: set[str] = set()
    chosen: list[Fault] = []
    for fault in faults[: dice.randint(1, TOGETHER_MAX)]:
        if not fault.holds or fault.holds not in held:
            held.add(fault.holds)
            chosen.append(fault)
    return chosen


def _slopes(cluster: Cluster) -> list[str]:
    """Say how the memory of each life that was long enough has grown."""
    said = []
    for life, weights in sorted(cluster.memory.items()):
        lasted = weights[-1][0] - weights[0][0]
        slope = slope_per_hour(weights)
        if slope is not None and lasted >= LIFE_S_MIN:
            last = weights[-1][1] / MIB
            said.append(
                f"{life}: {last:.0f} MiB after {lasted:.0f} s,"
                f" {slope / MIB:+.1f} MiB/h over the last half"
            )
    return said


_SETTING = Setting(gateways=3, clients=30, mix=ALL_KINDS, allowance=ONE_CHUNK)
RANDOM = Case("everything at random", everything, MINUTES * 60, _SETTING, is_timed=True)
ALONE = Case("every fault alone", alone, 1, _SETTING)
PAIRS = Case("every two faults at once", in_pairs, len(CATALOGUE) ** 2, _SETTING)
