"""Which shares are crossed: an edge, told once, the highest of those at once."""

from hypothesis import given
from hypothesis import strategies as st

from metering.alerts.shares import WHOLE, Verdict, judge, level

SHARES = st.sets(st.integers(1, 100), max_size=6)
LIMITS = st.integers(1, 10**20)


def judged(used: int, limit: int | None, *warn_at: int, **given: object) -> Verdict:
    """Judge a hard limit, unless it is said otherwise."""
    terms = {"is_hard": True, "standing": {}, **given}
    return judge(used=used, limit=limit, warn_at=warn_at, **terms)  # type: ignore[arg-type]


def test_of_several_at_once_the_highest_is_told() -> None:
    verdict = judged(83, 100, 50, 80, 95)
    assert (verdict.crossed, verdict.told) == ((50, 80), 80)
    assert verdict.due_amount == 95


def test_what_stands_is_not_told_again() -> None:
    assert judged(83, 100, 50, 80, standing={50: 100, 80: 100}) == Verdict(
        due_amount=100
    )


def test_a_new_share_below_one_that_stands_is_not_told() -> None:
    verdict = judged(83, 100, 50, 80, standing={80: 100})
    assert (verdict.crossed, verdict.told) == ((50,), None)


def test_a_raised_limit_clears_and_what_was_spent_is_resumed() -> None:
    verdict = judged(100, 150, 50, 80, standing={50: 100, 80: 100, 100: 100})
    assert (verdict.cleared, verdict.is_resumed) == ((80, 100), True)
    assert (verdict.crossed, verdict.told, verdict.due_amount) == ((), None, 120)


def test_a_correction_clears_no_share_but_what_is_spent() -> None:
    verdict = judged(79, 100, 80, standing={80: 100, 100: 100})
    assert (verdict.cleared, verdict.is_resumed) == ((100,), True)


def test_soft_limits_are_over_and_never_spent_or_resumed() -> None:
    over = judged(100, 100, 80, is_hard=False)
    assert (over.crossed, over.told) == ((80, 100), 100)
    raised = judged(100, 200, 80, is_hard=False, standing={80: 100, 100: 100})
    assert (raised.cleared, raised.is_resumed) == ((80, 100), False)


def test_a_hard_limit_is_spent_when_no_request_fits_any_more() -> None:
    almost = 10**13 - 10**10
    assert judged(almost, 10**13).told == WHOLE
    assert judged(almost - 1, 10**13).told is None
    assert judged(almost, 10**13, is_hard=False).told is None
    # Of few tokens a thousandth is less than one.
    assert judged(9, 10).told is None


def test_no_limit_clears_everything() -> None:
    verdict = judged(83, None, standing={80: 100, 100: 83})
    assert (verdict.cleared, verdict.is_resumed, verdict.due_amount) == (
        (80, 100),
        True,
        None,
    )


def test_a_limit_of_nothing_tells_nothing() -> None:
    assert judged(0, 0, 50) == Verdict()
    assert judged(5, 0, 50, standing={50: 10}) == Verdict()


@given(limit=LIMITS, warn_at=SHARES, is_hard=st.booleans(), data=st.data())
def test_however_use_grows_each_share_is_crossed_once(
    limit: int, warn_at: set[int], is_hard: bool, data: st.DataObject
) -> None:
    steps = data.draw(st.lists(st.integers(0, 2 * limit), max_size=8))
    standing: dict[int, int] = {}
    told: list[int] = []
    for used in sorted(steps):
        verdict = judge(
            used=used, limit=limit, is_hard=is_hard, warn_at=warn_at, standing=standing
        )
        assert not standing.keys() & set(verdict.crossed)
        assert verdict.cleared == ()
        standing |= dict.fromkeys(verdict.crossed, limit)
        told += [] if verdict.told is None else [verdict.told]
        # Nothing is due before its time, and nothing that is due is missed.
        assert verdict.due_amount is None or used < verdict.due_amount
    assert told == sorted(set(told))
    reached = {
        share
        for share in warn_at | {WHOLE}
        if steps and max(steps) >= level(share, limit=limit, is_hard=is_hard)
    }
    assert standing.keys() == reached


@given(limit=LIMITS, warn_at=SHARES, used=st.integers(0, 10**20), data=st.data())
def test_until_it_is_due_nothing_else_would_be_crossed(
    limit: int, warn_at: set[int], used: int, data: st.DataObject
) -> None:
    first = judge(used=used, limit=limit, is_hard=True, warn_at=warn_at, standing={})
    standing = dict.fromkeys(first.crossed, limit)
    top = 10**21 if first.due_amount is None else first.due_amount - 1
    later = data.draw(st.integers(used, max(used, top)))
    again = judge(
        used=later, limit=limit, is_hard=True, warn_at=warn_at, standing=standing
    )
    assert again.crossed == ()
