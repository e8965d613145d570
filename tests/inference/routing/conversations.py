"""Conversations of several tenants: what is said in them, each growing turn by turn.

A tenant's share their system prompt, and nobody else's. Whose turn it is, is left to
whoever lets them talk.
"""

import random
from dataclasses import dataclass

_WORDS = [f"w{number}" for number in range(5000)]


@dataclass(frozen=True, slots=True)
class Talks:
    """How many talk, and of how much. `seed` says what."""

    tenants: int = 8
    conversations_each: int = 10
    turns: int = 6
    system_words: int = 600
    message_words: int = 80
    answer_words: int = 60
    at_once: int = 24
    seed: int = 1

    @property
    def different_words(self) -> int:
        """Return how many words there are, each counted where it is first said."""
        each = self.message_words * self.turns + self.answer_words * (self.turns - 1)
        return self.tenants * (self.system_words + self.conversations_each * each)


@dataclass(slots=True)
class Talk:
    """One conversation: whose, what was said, and how often its user still speaks."""

    tenant: int
    messages: list[dict[str, str]]
    turns_left: int

    def go_on(self, talks: Talks, chance: random.Random, *, answer: str = "") -> None:
        """Let its user hear an answer, or any, and say the next thing."""
        answer = answer or said(chance, talks.answer_words)
        self.turns_left -= 1
        self.messages += [
            {"role": "assistant", "content": answer},
            {"role": "user", "content": said(chance, talks.message_words)},
        ]


def begun(talks: Talks, chance: random.Random) -> list[Talk]:
    """Return all conversations at their beginning."""
    rules = [
        " ".join(f"rule{tenant}.{number}" for number in range(talks.system_words))
        for tenant in range(talks.tenants)
    ]
    return [
        Talk(
            tenant,
            [
                {"role": "system", "content": rules[tenant]},
                {"role": "user", "content": said(chance, talks.message_words)},
            ],
            talks.turns,
        )
        for _ in range(talks.conversations_each)
        for tenant in range(talks.tenants)
    ]


def said(chance: random.Random, words: int) -> str:
    """Return so many words."""
    return " ".join(chance.choices(_WORDS, k=words))
