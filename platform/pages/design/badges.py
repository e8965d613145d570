"""States as people read them: a word, with a shape and a tone. Pure."""

import enum
from dataclasses import dataclass


class Tone(enum.StrEnum):
    """What a state asks of its reader; each has a shape beside its colour."""

    PLAIN = "plain"
    """Neither good nor bad: a ring."""
    GOOD = "good"
    """Done, nothing to do: a tick."""
    WAIT = "wait"
    """On its way, or to be watched: a clock."""
    BAD = "bad"
    """Somebody has to act: a triangle."""
    OVER = "over"
    """Over and done with, no longer in force: a stroke."""


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in a word or two."""

    word: str
    tone: Tone = Tone.PLAIN


_INVOICES = {
    "draft": Tone.WAIT,
    "issued": Tone.PLAIN,
    "open": Tone.PLAIN,
    "paid": Tone.GOOD,
    "overdue": Tone.BAD,
    "uncollectible": Tone.BAD,
    "void": Tone.OVER,
    "credited": Tone.OVER,
}


def invoice_badge(state: str, word: str = "") -> Badge:
    """Return the badge of an invoice's state; a state that is new to us is plain."""
    return Badge(word or state, _INVOICES.get(state, Tone.PLAIN))
