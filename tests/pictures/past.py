"""Who used what in the weeks before today. Pure: one seed and today's date decide."""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEED = 4
DAYS = 140
# Nothing happened in the last minutes: that is for the calls that are really made.
UNTIL = dt.timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Model:
    """A served model: its prices per million tokens, and what people send it."""

    name: str
    prices: tuple[str, str, str]
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant: its requests on a usual day, their growth, and the models they are for.

    `weekend` says how much of a usual day is left on a Saturday, `first_day` how many
    days of the past were over when it came.
    """

    slug: str
    name: str
    requests: int
    growth: float
    shares: Sequence[int]
    weekend: float
    first_day: int = 0

    def came(self, now: dt.datetime) -> dt.datetime:
        """Return the midnight at which its own past begins."""
        return began(now) + dt.timedelta(days=self.first_day)


@dataclass(frozen=True, slots=True)
class Moment:
    """One request of the past."""

    at: dt.datetime
    model: int
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int


CONTEXT_TOKENS = 1_048_576
_PROMPT_MAX, _ANSWER_MAX = 900_000, 120_000

# Each request stands for many, so that months come to what a business has.
MODELS = (
    Model("llama-3.3-70b", ("7.20", "0.72", "21.60"), 380_000, 38_000),
    Model("qwen3-32b", ("3.20", "0.32", "9.60"), 480_000, 56_000),
    Model("mistral-small-24b", ("1.00", "0.10", "3.00"), 220_000, 22_000),
)
CUSTOMERS = (
    Customer("northwind", "Northwind Robotics", 150, 1.6, (5, 4, 1), 0.3),
    Customer("helio-health", "Helio Health", 110, 1.1, (2, 5, 2), 0.8, first_day=65),
    Customer("alder-finch", "Alder & Finch", 70, 1.0, (1, 2, 5), 0.1),
    Customer("brightside", "Brightside Games", 60, 2.4, (1, 1, 6), 1.7, first_day=40),
)

# What the members of the first customer sign in with.
MEMBERS_PASSWORD = "a word that opens the pictures"


def member_address(role: str) -> str:
    """Return the address of the first customer's member of this role."""
    return f"{role}@{CUSTOMERS[0].slug}.example"


def began(now: dt.datetime) -> dt.datetime:
    """Return the midnight at which the past begins."""
    first = now - dt.timedelta(days=DAYS)
    return first.replace(hour=0, minute=0, second=0, microsecond=0)


def moments(
    customer: Customer, *, now: dt.datetime, chance: random.Random
) -> Iterator[Moment]:
    """Yield a customer's requests, day by day."""
    for day in range(customer.first_day, DAYS + 1):
        date = began(now) + dt.timedelta(days=day)
        grown = 1 + (customer.growth - 1) * day / DAYS
        quiet = customer.weekend if date.weekday() >= 5 else 1.0
        expected = customer.requests * grown * quiet
        for _ in range(max(int(chance.gauss(expected, expected / 8)), 1)):
            # Most of it by daylight, around two in the afternoon.
            hour = min(max(chance.gauss(14, 3.6), 0.0), 23.99)
            at = date + dt.timedelta(hours=hour)
            if at < now - UNTIL:
                yield _moment(at, customer, chance)


def _moment(at: dt.datetime, customer: Customer, chance: random.Random) -> Moment:
    model = chance.choices(range(len(MODELS)), customer.shares)[0]
    asked = MODELS[model].prompt_tokens * chance.lognormvariate(0, 0.5)
    prompt = min(int(asked), _PROMPT_MAX)
    return Moment(
        at=at,
        model=model,
        prompt_tokens=prompt,
        # A conversation's beginning is found again, in blocks of sixteen.
        cached_tokens=int(prompt * chance.uniform(0, 0.7)) // 16 * 16,
        answer_tokens=min(
            int(MODELS[model].answer_tokens * chance.lognormvariate(0, 0.4)),
            _ANSWER_MAX,
        ),
    )


def pace(answer_tokens: int, chance: random.Random) -> tuple[int, int]:
    """Return after how many microseconds an answer's first and last token came."""
    first_us = chance.randint(180_000, 600_000)
    tokens_per_s = chance.randint(20, 80)
    return first_us, first_us + answer_tokens * 1_000_000 // tokens_per_s
