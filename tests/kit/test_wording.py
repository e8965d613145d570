"""One thing is said of one, and several of none and of many."""

import pytest

from kit.wording import counted


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 days wait"),
        (1, "1 day waits"),
        (2, "2 days wait"),
        (1001, "1,001 days wait"),
    ],
)
def test_words_follow_the_number(number: int, said: str) -> None:
    assert counted(number, "day waits", "days wait") == said
