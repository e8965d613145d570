"""What was done for a request on its way: held, tried, asked for again. Pure.

A hold is told in tokens: they are what limits of any kind are held by, and the price of
the event says what they come to. Failure: what nobody noted is None, never a guess.
"""

import enum

from kit.records import record

# The most that is told of each: what a journal keeps, far beyond what requests are.
HELD_TOKENS_MAX = (1 << 28) - 1
ATTEMPTS_MAX = (1 << 6) - 1


class Keyed(enum.IntEnum):
    """What part an `Idempotency-Key` had in a request. Values are stored."""

    NONE = 0
    FIRST = 1
    RETRY = 2


class KeyPart(enum.StrEnum):
    """The same in words, and whether its attempt was given back."""

    NONE = "none"
    FIRST = "first"
    RETRY = "retry"
    # Tried again because of us: a later attempt is charged in its place.
    GIVEN_BACK = "given_back"


@record(frozen=True, slots=True)
class Handling:
    """What was done for a request; None is what nobody noted.

    `attempts` are the replicas that it was sent to, one after another: none where its
    answer was kept from before. The tokens are those held when it was let in: nothing
    where no budget, quota or credit bounds it.
    """

    attempts: int | None = None
    held_input_tokens: int | None = None
    held_output_tokens: int | None = None
    keyed: Keyed | None = None


NOT_NOTED = Handling()


def handled(attempts: int, held_tokens: tuple[int, int], keyed: Keyed) -> Handling:
    """Return what was done for a request, each figure at most what is kept of it."""
    held_input, held_output = held_tokens
    return Handling(
        min(attempts, ATTEMPTS_MAX),
        min(held_input, HELD_TOKENS_MAX),
        min(held_output, HELD_TOKENS_MAX),
        keyed,
    )
