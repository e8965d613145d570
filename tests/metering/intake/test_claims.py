"""The arithmetic of one claim at one place, figure by figure."""

from dataclasses import replace

import pytest

from kit.contracts import BudgetPlace, LinearPrice, TokenCounts
from metering.intake.claims import Answer, Claim, Lease, Part, Standing, Wish

PRICE = LinearPrice(1, "m", "USD", 7, 3, 11)
TOKENS = BudgetPlace(5, "tenant", 1, "quota", "tokens", "day", "", True)
MONEY = BudgetPlace(5, "tenant", 1, "budget", "", "day", "", True)


def ignore(answer: Answer, place: BudgetPlace | None) -> None:
    """Hear an answer."""


def lease(amount: int = 0, held: int = 0, *, place: BudgetPlace = TOKENS) -> Lease:
    return Lease(1, place, amount, held)


def claim(*parts: Part, since_us: int = 1) -> Claim:
    return Claim(PRICE, parts, since_us=since_us)


def wish(one: Claim, prompt: int, *outputs: int, is_extension: bool = False) -> Wish:
    return Wish(one, prompt, outputs, is_extension, 99, ignore)


def test_a_new_lease_has_nothing_and_was_never_used() -> None:
    new = Lease(1, TOKENS)
    assert (new.amount, new.held, new.settling, new.free) == (0, 0, 0, 0)
    assert (new.waiting, new.reserved, new.used, new.taken) == (0, 0, 0, 0)
    assert (new.used_at_us, new.recalled_us, new.disagreed) == (0, 0, 0)
    assert (new.until_us, new.head, new.claims) == (None, None, set())
    assert (new.is_recalled, new.is_moving, new.burn) == (False, False, 0.0)
    part = Part(new)
    assert (part.held, part.used) == (0, 0)
    fresh = claim(part)
    assert (fresh.prompt_tokens, fresh.output_tokens) == (0, 0)
    assert (fresh.is_exact, fresh.is_shrinkable) == (False, True)
    assert (fresh.counts, fresh.measured) == (TokenCounts(), None)
    assert not wish(fresh, 1, 1).is_waiting
    assert Standing(1, 2, 3, 4).until_us is None


def test_what_is_free_is_what_nobody_holds() -> None:
    assert lease(10, 4).free == 6
    assert lease(4, 10).free == -6


def test_a_lease_gives_what_is_free_while_nobody_waits() -> None:
    one = lease(10, 4)
    assert one.gives(6)
    assert not one.gives(7)
    one.reserved = 2
    assert one.gives(4)
    assert not one.gives(5)
    one.head = wish(claim(Part(one)), 1, 1)
    assert not one.gives(1)
    # Nothing, or less than nothing, can always be had.
    assert one.gives(0)
    assert one.gives(-1)
    assert not lease(0).gives(1)


def test_what_a_lease_lacks_is_that_of_its_head_and_those_before() -> None:
    one, other = lease(10, 4), lease(0)
    assert one.least == 0
    parts = Part(other), Part(one, held=4), Part(one)
    one.head = wish(claim(*parts), 5, 8, 2)
    # Of this lease alone: 5 + 2 - 4, and 5 + 2; free are 6.
    assert one.least == 3 + 7 - 6
    one.reserved = 5
    assert one.least == 5 + 3 + 7 - 6
    one.amount = 100
    assert one.least == 0


def test_the_target_is_a_second_of_burn_or_what_was_taken() -> None:
    one = lease()
    assert one.target == 0
    one.burn = 12.6
    assert one.target == 13
    one.taken = 20
    assert one.target == 20


def test_a_claim_needs_the_most_and_has_used_the_least() -> None:
    tokens, money = Part(lease()), Part(lease(place=MONEY))
    one = claim(tokens, money)
    assert one.need(tokens, 10, 3) == 13
    assert one.need(money, 10, 3) == 10 * 7 + 3 * 11
    one.counts = TokenCounts(6, 4, 3, 1)
    assert one.used(tokens) == 13
    assert one.used(money) == 10 * 3 + 3 * 11


def test_extensions_come_before_admissions_and_the_oldest_first() -> None:
    wishes = [
        wish(claim(Part(lease()), since_us=since_us), 1, 1, is_extension=is_extension)
        for is_extension, since_us in ((False, 2), (True, 2), (False, 1), (True, 1))
    ]
    in_order = [wishes[place] for place in (3, 1, 2, 0)]
    assert sorted(wishes, key=lambda each: each.order) == in_order
    assert wishes[0].tenant_id == 5


def test_a_wish_takes_what_is_beyond_what_is_held() -> None:
    part = Part(lease(10, 4), held=4)
    one = wish(claim(part), 5, 8, 2)
    assert one.more(part, 8) == 9
    assert one.least(part) == 3
    assert not one.lacks(part)
    part.lease.amount = 6
    assert one.lacks(part)


def test_a_wish_waits_for_the_first_place_that_is_short() -> None:
    enough = Part(lease(100))
    short = Part(lease(1, place=replace(TOKENS, level="project")))
    shorter = Part(lease(0, place=replace(TOKENS, level="api_key")))
    assert wish(claim(enough, short, shorter), 5, 2).place.level == "project"
    assert wish(claim(enough, enough), 5, 2).place.level == "tenant"


@pytest.mark.parametrize(
    ("standing", "is_spent"),
    [
        (Standing(0, 100, 80, 13), True),
        # Exactly what is needed is left.
        (Standing(0, 101, 80, 13), False),
        (Standing(0, 100, 79, 13), False),
        (Standing(0, 100, 80, 12), False),
        # No limit, no bound.
        (Standing(0, None, 80, 13), False),
    ],
)
def test_a_place_is_spent_when_less_is_left_than_the_least(
    standing: Standing, is_spent: bool
) -> None:
    """Left: 100 - 80 - 13 - 4 used here, of which 3 are its own; needed are 7."""
    one = lease(10, 10)
    one.used = 4
    part = Part(one, held=4, used=3)
    asked = wish(claim(part), 5, 8, 2)
    assert asked.spent_at({1: standing}) == (TOKENS if is_spent else None)
    assert asked.spent_at({}) is None
    # What is free here serves it, whatever the database says.
    one.amount = 12
    assert asked.spent_at({1: standing}) == (TOKENS if is_spent else None)
    one.amount = 13
    assert asked.spent_at({1: standing}) is None
