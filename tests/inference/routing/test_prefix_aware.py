"""Where a request goes by its prompt, and when load forbids it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.routing.prefix_aware import LOAD_FACTOR, LOAD_SLACK, PrefixAware
from inference.routing.router import Candidate, RouteAsk
from tests.inference.routing.asking import ask, candidates, ids, replica

IDLE = (0.0, 0.0, 0.0, 0.0)


def conversation(
    name: str, *, turns: int = 1, rules: str = "Be kind. " * 60, more: str = ""
) -> bytes:
    """Return a chat of so many turns of its user, as its prompt is written."""
    lines = [f"\x1esystem\x1f{rules}"] if rules else []
    for turn in range(turns):
        if turn:
            lines.append(f"\x1eassistant\x1f{f'{name} said {turn}. ' * 40}")
        lines.append(f"\x1euser\x1f{f'{name} asks {turn}. ' * 40}")
    return ("".join(lines) + more).encode()


def first(router: PrefixAware, asked: RouteAsk, *loads: float) -> int:
    return ids(router.order(asked, candidates(*loads)))[0]


def sent(router: PrefixAware, asked: RouteAsk, replica_id: int) -> None:
    router.sent(asked, replica_id)
    router.answered(asked, replica_id, prompt_tokens=500, cached_tokens=0)


@pytest.mark.parametrize("there", [1, 2, 3, 4])
def test_a_conversation_stays_where_it_is(there: int) -> None:
    router = PrefixAware()
    sent(router, ask(conversation("ann")), there)
    for turns in range(2, 6):
        asked = ask(conversation("ann", turns=turns))
        assert first(router, asked, *IDLE) == there
        sent(router, asked, there)


def test_it_goes_where_most_of_it_is() -> None:
    router = PrefixAware()
    for there, turns in ((1, 2), (3, 5), (4, 3)):
        sent(router, ask(conversation("ann", turns=turns)), there)
    ordered = router.order(ask(conversation("ann", turns=6)), candidates(*IDLE))
    assert ids(ordered)[:3] == [3, 4, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"salt": "another tenant's"},
        {"adapter": "lora"},
        {"model": "n"},
        {"salt": "", "tenant_id": 1},
        {"salt": "", "tenant_id": 2},
    ],
)
def test_others_prompts_match_nothing(other: dict[str, str]) -> None:
    """One that nobody has asked goes where it would without those that were."""
    router = PrefixAware()
    prompt = conversation("ann", turns=4)
    own, fresh = ask(prompt), ask(prompt, **other)  # type: ignore[arg-type]
    for there in (1, 2, 3, 4):
        if there != first(PrefixAware(), ask(prompt, **other), *IDLE):  # type: ignore[arg-type]
            sent(router, own, there)
    assert first(router, fresh, *IDLE) == first(
        PrefixAware(),
        ask(prompt, **other),  # type: ignore[arg-type]
        *IDLE,
    )


def test_tenants_are_parted_where_engines_part_none() -> None:
    router = PrefixAware()
    prompt = conversation("ann", turns=4)
    homes = {
        tenant: first(PrefixAware(), ask(prompt, salt="", tenant_id=tenant), *IDLE)
        for tenant in range(1, 9)
    }
    away = next(each for each in (1, 2, 3, 4) if each != homes[2])
    sent(router, ask(prompt, salt="", tenant_id=1), away)
    assert first(router, ask(prompt, salt="", tenant_id=1), *IDLE) == away
    assert first(router, ask(prompt, salt="", tenant_id=2), *IDLE) == homes[2]


def test_a_session_is_followed_whatever_it_says() -> None:
    router = PrefixAware()
    sent(router, ask(conversation("ann", turns=3), session="s"), 2)
    sent(router, ask(conversation("bob", turns=3), session="t"), 3)
    assert first(router, ask(conversation("bob", turns=3), session="s"), *IDLE) == 2
    assert first(router, ask(b"and?", session="s"), *IDLE) == 2
    busy = (0.1, 0.9, 0.1, 0.1)
    assert first(router, ask(b"and?", session="s"), *busy) != 2
    other_tenants = ask(b"and?", session="s", salt="other")
    assert {first(router, other_tenants, *IDLE) for _ in range(4)} == {1, 4}


@given(
    loads=st.lists(st.floats(0, 1), min_size=2, max_size=9),
    there=st.integers(1, 9),
    session=st.sampled_from(["", "s"]),
)
def test_affinity_is_bounded_by_load(
    loads: list[float], there: int, session: str
) -> None:
    router = PrefixAware()
    asked = ask(conversation("ann", turns=4), session=session)
    there = min(there, len(loads))
    sent(router, asked, there)
    chosen = router.order(asked, candidates(*loads))[0]
    # Each takes eight at once.
    fair = LOAD_FACTOR * sum(loads) / len(loads) + 1 / 8
    allowed = max(fair, min(loads) + LOAD_SLACK)
    assert chosen.load <= allowed
    if loads[there - 1] <= allowed:
        assert chosen.replica.id == there


def test_one_request_more_is_never_too_much() -> None:
    """With two slots a request is half of what a replica takes."""
    router = PrefixAware()
    asked = ask(conversation("ann", turns=4))
    given_order = [
        Candidate(replica(1, slots=2), 0.5),
        Candidate(replica(2, slots=2), 0.0),
    ]
    sent(router, asked, 1)
    assert ids(router.order(asked, given_order)) == [1, 2]


def test_a_hot_prompt_is_taken_up_by_others_and_stays_there() -> None:
    """What one replica sheds is then known by two, which share it by load."""
    router = PrefixAware()
    running: Counter[int] = Counter()
    for number in range(96):
        asked = ask(conversation("ann", turns=4, more=str(number)))
        there = [
            Candidate(replica(each, slots=64), running[each] / 64)
            for each in (1, 2, 3, 4)
        ]
        chosen = ids(router.order(asked, there))[0]
        running[chosen] += 1
        sent(router, asked, chosen)
    assert set(running) == {1, 2, 3, 4}
    assert max(running.values()) <= LOAD_FACTOR * 96 / 4 + 2


def test_those_too_busy_come_last_by_load() -> None:
    router = PrefixAware()
    asked = ask(conversation("ann", turns=4))
    sent(router, asked, 1)
    assert ids(router.order(asked, candidates(1.0, 0.9, 0.1, 0.1)))[2:] == [2, 1]


def test_conversations_that_begin_alike_begin_together() -> None:
    """In this process, and in any other, whose digests are salted otherwise."""
    names = [f"n{number}" for number in range(20)]
    firsts = {first(PrefixAware(), ask(conversation(name)), *IDLE) for name in names}
    assert len(firsts) == 1


def test_room_is_kept_at_home_for_those_who_have_begun() -> None:
    router = PrefixAware()
    begun, new = (ask(conversation(name, rules="")) for name in ("ann", "bob"))
    home = first(router, new, *IDLE)
    sent(router, begun, home)
    loads = [0.45 if each == home else 0.2 for each in (1, 2, 3, 4)]
    assert first(router, begun, *loads) == home
    assert first(router, new, *loads) != home
    calm = [0.35 if each == home else 0.2 for each in (1, 2, 3, 4)]
    assert first(router, new, *calm) == home


def test_those_that_begin_otherwise_are_spread_by_weight() -> None:
    given_order = [
        Candidate(replica(number, weight=weight), 0.0)
        for number, weight in ((1, 100), (2, 100), (3, 200))
    ]
    router = PrefixAware()
    chosen = Counter(
        ids(router.order(ask(conversation(f"n{n}", rules="")), given_order))[0]
        for n in range(4000)
    )
    assert chosen[3] == pytest.approx(2000, abs=150)
    assert chosen[1] == pytest.approx(1000, abs=120)


def test_without_its_home_the_others_stay() -> None:
    router = PrefixAware()
    for number in range(60):
        asked = ask(conversation(f"n{number}", rules=""))
        ordered = candidates(*IDLE)
        home = ids(router.order(asked, ordered))[0]
        gone = 1 + home % 4
        left = [each for each in ordered if each.replica.id != gone]
        assert ids(router.order(asked, left))[0] == home


def test_where_nothing_is_known_the_least_loaded_and_coldest_comes_first() -> None:
    router = PrefixAware()
    for there, name in ((1, "ann"), (1, "bob"), (2, "cid")):
        sent(router, ask(conversation(name, rules="", turns=9)), there)
    asked = ask(conversation("dan", rules=""))
    home = ids(router.order(asked, candidates(*IDLE)))[0]
    by_load = [0.05, 0.05, 0.05, 0.1]
    rest = [
        each for each in ids(router.order(asked, candidates(*by_load))) if each != home
    ]
    assert rest == [each for each in (3, 2, 1, 4) if each != home]


def test_a_short_prompt_goes_by_load_alone() -> None:
    router = PrefixAware()
    sent(router, ask(b"hi"), 1)
    assert {first(router, ask(b"hi"), *IDLE) for _ in range(4)} == {1, 2, 3, 4}
    assert first(router, ask(b"hi"), 0.1, 0.0, 0.1) == 2


def test_a_replica_that_started_anew_attracts_nothing() -> None:
    router = PrefixAware()
    asked = ask(conversation("ann", turns=4), session="s")
    home = first(PrefixAware(), ask(conversation("ann", turns=4)), *IDLE)
    there = 1 + home % 4
    sent(router, asked, there)
    assert first(router, asked, *IDLE) == there
    router.forget(there)
    assert first(router, asked, *IDLE) == home


def test_a_prompt_is_marked_once() -> None:
    made = 0

    def prompt() -> bytes:
        nonlocal made
        made += 1
        return conversation("ann", turns=4)

    router = PrefixAware()
    asked = RouteAsk("m", "", "salt", 1, "", prompt)
    for _ in range(3):
        router.order(asked, candidates(*IDLE))
        sent(router, asked, 1)
        sent(router, asked, 2)
    assert made == 1
