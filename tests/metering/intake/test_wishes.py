"""Who waits for a lease that is short holds up nobody who can do without it."""

from collections import Counter

import pytest

from kit.contracts import BudgetPlace, LinearPrice, TokenCounts
from metering.intake.claims import Answer, Claim, Lease, Part, Wish
from metering.intake.leases import LeaseBook

PRICE = LinearPrice(1, "model", "USD", 1, 1, 1)
NOW_US = 1_000_000
FOR_EVER_US = 1 << 60


class Tenant:
    """Leases of a tenant and of two of its keys, with what was granted of each."""

    def __init__(self, book: LeaseBook, *, number: int = 1, **granted: int) -> None:
        self.book = book
        self.number = number
        self.answers: list[tuple[str, Answer]] = []
        self.leases = {
            name: self._lease(name, amount) for name, amount in granted.items()
        }

    def _lease(self, name: str, amount: int) -> Lease:
        place = BudgetPlace(
            self.number, "tenant", self.number, "budget", name, "day", "", is_hard=True
        )
        lease = self.book.lease(len(self.book.leases), place)
        lease.amount = amount
        return lease

    def claim(self, *names: str, since_us: int = 0) -> Claim:
        """Open a claim on some of the leases."""
        parts = tuple(Part(self.leases[name]) for name in names)
        claim = Claim(PRICE, parts, since_us=since_us)
        self.book.open(claim)
        return claim

    def wish(
        self, label: str, claim: Claim, tokens: int, *, until_us: int = FOR_EVER_US
    ) -> Wish:
        """Wish for a prompt of so many tokens and one token of output."""

        def answered(answer: Answer, place: BudgetPlace | None) -> None:
            self.answers.append((label, answer))
            places.append(place)

        places: list[BudgetPlace | None] = []
        wish = Wish(claim, tokens - 1, (1,), False, until_us, answered)
        self.book.wish(wish, now_us=NOW_US)
        return wish


def test_a_key_that_is_short_holds_up_no_other_key() -> None:
    book = LeaseBook()
    tenant = Tenant(book, whole=100, spent_key=0, other_key=100)
    tenant.wish("short", tenant.claim("whole", "spent_key"), 10)
    tenant.wish("other", tenant.claim("whole", "other_key", since_us=1), 10)
    assert tenant.answers == [("other", Answer.HELD)]
    assert book.change(tenant.claim("whole", "other_key"), 10, 10, now_us=NOW_US)


def test_what_the_first_in_line_will_need_is_kept_for_it() -> None:
    book = LeaseBook()
    tenant = Tenant(book, whole=15, spent_key=0, other_key=100)
    tenant.wish("first", tenant.claim("whole", "spent_key"), 10)
    later = tenant.claim("whole", "other_key", since_us=1)
    assert not book.change(later, 5, 1, now_us=NOW_US)
    tenant.wish("later", later, 6)
    assert not tenant.answers
    assert book.needs(now_us=NOW_US)[0][0] == 10 + 6 - 15
    tenant.leases["spent_key"].amount = 10
    book.serve(now_us=NOW_US)
    assert tenant.answers == [("first", Answer.HELD)]


def test_who_goes_lets_those_behind_have_what_was_kept() -> None:
    book = LeaseBook()
    tenant = Tenant(book, whole=15, spent_key=0, other_key=100)
    first = tenant.wish("first", tenant.claim("whole", "spent_key"), 10)
    tenant.wish("later", tenant.claim("whole", "other_key", since_us=1), 6)
    book.withdraw(first, now_us=NOW_US)
    assert tenant.answers == [("later", Answer.HELD)]


def test_who_is_late_behind_others_is_told_of_a_budget() -> None:
    book = LeaseBook()
    tenant = Tenant(book, whole=5)
    told: list[BudgetPlace | None] = []
    tenant.wish("first", tenant.claim("whole"), 10)
    wish = Wish(
        tenant.claim("whole", since_us=1),
        1,
        (1,),
        False,
        NOW_US,
        lambda _, place: told.append(place),
    )
    book.wish(wish, now_us=NOW_US)
    book.lapse(wish, now_us=NOW_US)
    assert told == [tenant.leases["whole"].place]


def test_a_crowd_that_waits_costs_each_request_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: Counter[str] = Counter()
    need = Claim.need

    def counted(claim: Claim, part: Part, prompt_tokens: int, output: int) -> int:
        looked["needs"] += 1
        return need(claim, part, prompt_tokens, output)

    monkeypatch.setattr(Claim, "need", counted)
    book = LeaseBook()
    crowd, quiet = Tenant(book, whole=30), Tenant(book, number=2, whole=10_000)
    running = [crowd.claim("whole") for _ in range(10)]
    for claim in running:
        assert book.change(claim, 2, 1, now_us=NOW_US)
    wishes = [
        crowd.wish("crowd", crowd.claim("whole", since_us=number), 100)
        for number in range(1, 1001)
    ]
    assert looked["needs"] < 10 * len(wishes)
    looked.clear()
    for claim in running:
        book.settle(claim, TokenCounts(2, 0, 1), now_us=NOW_US)
    other = quiet.claim("whole")
    assert book.change(other, 2, 1, now_us=NOW_US)
    book.settle(other, TokenCounts(2, 0, 1), now_us=NOW_US)
    assert looked["needs"] < 100
    looked.clear()
    for wish in wishes:
        book.withdraw(wish, now_us=NOW_US)
    assert looked["needs"] < 10 * len(wishes)
    assert not book.wishes
