"""Whatever frees something of a lease serves at once who waits for it."""

from collections.abc import Callable

import pytest

from kit.contracts import TokenCounts
from metering.intake.claims import Answer, Claim, Wish
from metering.intake.leases import FORGOTTEN_US, IDLE_US, LeaseBook
from tests.metering.intake.test_leases import NOW_US, TOTAL, claim_of, granted

LATER_US = NOW_US + 10


class Scene:
    """Ten tokens that one claim holds, and two that wait for some of them."""

    def __init__(self) -> None:
        self.book = LeaseBook()
        self.lease = granted(self.book, 10)
        self.holder, self.first, self.second = (
            claim_of(self.book, TOTAL) for _ in range(3)
        )
        assert self.book.change(self.holder, 10, 0, now_us=NOW_US)
        self.heard: list[tuple[str, Answer]] = []
        self.first.since_us, self.second.since_us = 1, 2
        self.one = self.wish("first", self.first, 6)
        self.other = self.wish("second", self.second, 4)

    def wish(self, name: str, claim: Claim, prompt: int) -> Wish:
        """Wait for so much."""

        def hear(answer: Answer, _: object) -> None:
            self.heard.append((name, answer))

        made = Wish(claim, prompt, (0,), False, LATER_US, hear)
        self.book.wish(made, now_us=NOW_US)
        return made


HELD = [("first", Answer.HELD), ("second", Answer.HELD)]


@pytest.mark.parametrize(
    "free",
    [
        lambda book, claim: book.change(claim, 0, 0, now_us=NOW_US),
        lambda book, claim: book.release(claim, now_us=NOW_US),
        lambda book, claim: book.settle(claim, TokenCounts(), now_us=NOW_US),
    ],
    ids=["less", "release", "settle"],
)
def test_what_a_claim_has_no_more_of_serves_those_who_wait(
    free: Callable[[LeaseBook, Claim], object],
) -> None:
    scene = Scene()
    assert scene.heard == []
    free(scene.book, scene.holder)
    assert scene.heard == HELD
    assert (scene.lease.free, scene.lease.held) == (0, 10)


def test_what_the_first_gives_up_serves_the_next() -> None:
    scene = Scene()
    assert scene.book.change(scene.holder, 5, 0, now_us=NOW_US)
    # Five are free, and kept for the first, who lacks one.
    assert scene.heard == []
    scene.book.withdraw(scene.one, now_us=NOW_US)
    assert scene.heard == HELD[1:]
    # Once more changes nothing.
    scene.book.withdraw(scene.one, now_us=NOW_US)
    scene.book.withdraw(scene.other, now_us=NOW_US)
    assert scene.heard == HELD[1:]


def test_patience_ends_when_it_is_over_and_serves_the_next() -> None:
    scene = Scene()
    assert scene.book.change(scene.holder, 5, 0, now_us=NOW_US)
    scene.book.lapse(scene.one, now_us=LATER_US - 1)
    assert scene.heard == []
    scene.book.lapse(scene.one, now_us=LATER_US)
    assert scene.heard == [("first", Answer.LATE), ("second", Answer.HELD)]
    # Who was answered has no patience to end.
    scene.book.lapse(scene.other, now_us=LATER_US + 1)
    assert len(scene.heard) == 2


def test_a_lease_goes_back_when_it_was_idle_and_is_forgotten_later() -> None:
    book = LeaseBook()
    lease = granted(book, 10)
    lease.used_at_us = NOW_US
    assert book.look(1.0, now_us=NOW_US + IDLE_US) == {}
    assert book.look(1.0, now_us=NOW_US + IDLE_US + 1) == {TOTAL: 10}
    assert (lease.amount, lease.is_moving) == (0, True)
    lease.is_moving = False
    book.look(1.0, now_us=NOW_US + FORGOTTEN_US)
    assert TOTAL in book.leases
    book.look(1.0, now_us=NOW_US + FORGOTTEN_US + 1)
    assert TOTAL not in book.leases


@pytest.mark.parametrize("what", ["amount", "settling", "is_moving", "claims"])
def test_a_lease_that_is_not_empty_is_not_forgotten(what: str) -> None:
    book = LeaseBook()
    lease = granted(book, 0)
    lease.is_moving = False
    claims = {claim_of(book, TOTAL)} if what == "claims" else set()
    setattr(lease, what, claims if what == "claims" else -1)
    book.look(1.0, now_us=NOW_US + FORGOTTEN_US + 1)
    assert TOTAL in book.leases


def test_what_use_leaves_beyond_four_seconds_goes_back() -> None:
    book = LeaseBook()
    lease = granted(book, 100)
    lease.taken, lease.used_at_us = 10, NOW_US
    assert book.look(1.0, now_us=NOW_US + 1) == {TOTAL: 60}
    assert (lease.burn, lease.taken, lease.amount) == (10.0, 0, 40)
    # A fall is followed within a few looks.
    book.look(1.0, now_us=NOW_US + 2)
    assert lease.burn == 7.0


def test_a_lease_that_is_used_in_the_future_is_not_judged() -> None:
    book = LeaseBook()
    lease = granted(book, 100)
    lease.taken, lease.used_at_us = 10, NOW_US + 2
    assert book.look(1.0, now_us=NOW_US + 1) == {}
    assert lease.taken == 10


def test_a_claim_that_ends_leaves_nothing_behind() -> None:
    for is_settled in (False, True):
        book = LeaseBook()
        lease = granted(book, 100)
        claim = claim_of(book, TOTAL)
        assert book.change(claim, 10, 5, now_us=NOW_US)
        claim.counts = TokenCounts(input_tokens=10, output_tokens=3)
        book.measure()
        assert (lease.held, lease.used) == (15, 13)
        if is_settled:
            uses = book.settle(claim, claim.counts, now_us=NOW_US)
            assert uses == {TOTAL: 13}
        else:
            book.release(claim, now_us=NOW_US)
        left = 87 if is_settled else 100
        assert (lease.amount, lease.settling) == (left, 100 - left)
        assert (lease.held, lease.used, lease.claims, book.claims) == (
            0,
            0,
            set(),
            set(),
        )
        assert (claim.parts[0].held, claim.parts[0].used) == (0, 0)


def test_what_is_settled_has_left_the_lease_and_what_is_not_comes_back() -> None:
    for end, amount in ((LeaseBook.settled, 87), (LeaseBook.not_settled, 100)):
        book = LeaseBook()
        lease = granted(book, 100)
        counts = TokenCounts(input_tokens=13)
        uses = book.settle(claim_of(book, TOTAL), counts, now_us=NOW_US)
        lease.is_moving = False
        end(book, uses)
        assert (lease.amount, lease.settling, lease.is_moving) == (amount, 0, True)
        # A lease that is forgotten by then is no loss.
        end(LeaseBook(), uses)
