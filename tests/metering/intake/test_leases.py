"""Single cases of the books' leases that chance seldom meets."""

from kit.contracts import TokenCounts
from metering.intake.claims import Answer, Claim, Lease, Part, Standing, Wish
from metering.intake.leases import LeaseBook
from tests.metering.intake.lease_model import PLACES, PRICE, Books, Process

NOW_US = 1_000_000_000
TOTAL = 2


def claim_of(book: LeaseBook, *numbers: int) -> Claim:
    """Open a claim on these windows."""
    parts = tuple(Part(book.lease(number, PLACES[number])) for number in numbers)
    claim = Claim(PRICE, parts, since_us=NOW_US)
    book.open(claim)
    return claim


def granted(book: LeaseBook, amount: int) -> Lease:
    """Have so many tokens granted."""
    lease = book.lease(TOTAL, PLACES[TOTAL])
    book.granted({TOTAL: Standing(amount, 1_000, 0, 0)}, now_us=NOW_US)
    return lease


def test_two_that_wait_for_each_others_rest_get_it_in_turn() -> None:
    now_us = [NOW_US]
    books = Books()
    books.rows[TOTAL].limit = 100
    processes = [Process(books, epoch, lambda: now_us[0]) for epoch in (1, 2)]
    answers: list[Answer] = []
    for process, share in zip(processes, (60, 40), strict=True):
        claim = claim_of(process.book, TOTAL)
        process.book.granted({TOTAL: Standing(share, 100, 0, 0)}, now_us=NOW_US)
        books.rows[TOTAL].leases[process.epoch] = share
        wish = Wish(
            claim, 80, (0,), False, 1 << 60, lambda answer, _: answers.append(answer)
        )
        process.book.wish(wish, now_us=NOW_US)
    for _ in range(12):
        now_us[0] += 110_000
        for process in processes:
            process.beat()
            process.finish()
            process.ask()
            process.finish()
    assert answers == [Answer.HELD]


def test_what_one_wish_frees_serves_the_one_before_it() -> None:
    book = LeaseBook()
    lease = granted(book, 40)
    first, second, third = (claim_of(book, TOTAL) for _ in range(3))
    assert book.change(second, 30, 0, now_us=NOW_US)
    assert book.change(third, 10, 0, now_us=NOW_US)
    heard: list[str] = []

    def wish(name: str, claim: Claim, prompt: int, output: int, order: int) -> None:
        claim.since_us = order
        book.wish(
            Wish(
                claim, prompt, (output,), True, 1 << 60, lambda *_: heard.append(name)
            ),
            now_us=NOW_US,
        )

    wish("first", first, 15, 0, 1)
    # Its exact prompt is far less than the bound: it needs nothing that is free.
    wish("second", second, 5, 9, 2)
    assert heard == ["second", "first"]
    assert (lease.held, lease.free) == (39, 1)


def test_an_answer_that_got_lost_is_given_back_at_once_and_once() -> None:
    book = LeaseBook()
    lease = granted(book, 40)
    known = book.known()[TOTAL]
    assert book.compare(TOTAL, 55, known=known) == 15
    assert book.compare(TOTAL, 40, known=known) == 0
    assert lease.amount == 40


def test_a_commit_that_is_not_known_of_is_no_loss() -> None:
    book = LeaseBook()
    lease = granted(book, 40)
    claim = claim_of(book, TOTAL)
    assert book.change(claim, 30, 0, now_us=NOW_US)
    uses = book.settle(claim, TokenCounts(30), now_us=NOW_US)
    for _ in range(5):
        assert book.compare(TOTAL, 10, known=book.known()[TOTAL]) == 0
    book.settled(uses)
    assert lease.amount == 10


def test_a_loss_is_believed_when_it_was_seen_twice_at_rest() -> None:
    book = LeaseBook()
    lease = granted(book, 40)
    seen = []
    for _ in range(4):
        book.compare(TOTAL, 25, known=book.known()[TOTAL])
        seen.append(lease.amount)
    # The grant has just been answered when the first is seen.
    assert seen == [40, 40, 25, 25]


def test_use_beyond_a_lease_is_forgiven_where_the_database_forgave_it() -> None:
    book = LeaseBook()
    lease = granted(book, 40)
    claim = claim_of(book, TOTAL)
    assert book.change(claim, 40, 0, now_us=NOW_US)
    book.settled(book.settle(claim, TokenCounts(45), now_us=NOW_US))
    assert lease.free == -5
    assert book.compare(TOTAL, 0, known=book.known()[TOTAL]) == 0
    assert lease.free == 0
