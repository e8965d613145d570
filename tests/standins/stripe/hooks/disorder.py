"""What goes wrong with webhooks, and with which: a plan that tests set at run time.

When an event is to be sent:
drop           it is never sent, nor retried
delay          it is sent `seconds` later by the clock
duplicate      it is sent `copies` times more
When it is being sent, and the attempt counts as the receiver answers:
bad_signature  signed with a secret that the receiver does not have
unsigned       no signature at all
tampered       the body was changed after it was signed
stale, future  the signature's time is `seconds` off
old_version    another API version, in shape the same
wrong_livemode, wrong_account  meant for somebody else
oversized      a body of `size_bytes`
garbage        a signed body that is not JSON
lost_answer    the receiver did its work, the answer was lost: it is retried
"""

import json
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tests.standins.stripe.event_log import Json
from tests.standins.stripe.kinds import fits

AtSchedule = Literal["drop", "delay", "duplicate"]
AtSending = Literal[
    "bad_signature",
    "unsigned",
    "tampered",
    "stale",
    "future",
    "old_version",
    "wrong_livemode",
    "wrong_account",
    "oversized",
    "garbage",
    "lost_answer",
]
Kind = AtSchedule | AtSending
SCHEDULE_KINDS: frozenset[str] = frozenset(get_args(AtSchedule))
KINDS: tuple[str, ...] = (*get_args(AtSchedule), *get_args(AtSending))
HOUR_S = 3600
_FIELDS = frozenset(
    {"kind", "types", "nth", "times", "seconds", "copies", "size_bytes", "value"}
)


@dataclass(slots=True)
class Disorder:
    """One thing that goes wrong, `times` over, from the `nth` event that fits.

    `types` is a type of event or a group before a star. `value` is the version or the
    account that is told instead of the true one.
    """

    kind: str
    types: str = "*"
    nth: int = 1
    times: int = 1
    seconds: float = 600.0
    copies: int = 1
    size_bytes: int = 512 * 1024
    value: str = ""
    seen: int = 0

    @classmethod
    def parse(cls, spec: Mapping[str, Any]) -> "Disorder":
        """Read a disorder from JSON; raises `ValueError` for what makes no sense."""
        if spec.get("kind") not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        unknown = spec.keys() - _FIELDS
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        return cls(**spec)

    @property
    def is_over(self) -> bool:
        """Tell whether it has happened as often as it was to."""
        return self.seen >= self.nth + self.times - 1

    def is_due(self, kind: str) -> bool:
        """Count an event that fits, and tell whether it is one to disturb."""
        if self.is_over or not fits(kind, self.types):
            return False
        self.seen += 1
        return self.seen >= self.nth


class Weather:
    """Disorder by chance: how often each kind strikes.

    What is scheduled and what is sent throw dice of their own: threads that interleave
    change nothing.
    """

    def __init__(self, seed: int, rates: Mapping[str, float]) -> None:
        self._rates = dict(rates)
        # Chance for tests, not for secrets.
        self._dice = {moment: random.Random(seed) for moment in (True, False)}

    def strikes(self, *, at_schedule: bool) -> list[Disorder]:
        """Return what strikes now, among the kinds of this moment."""
        dice = self._dice[at_schedule]
        return [
            Disorder(kind, seconds=dice.uniform(301, HOUR_S))
            for kind, rate in self._rates.items()
            if (kind in SCHEDULE_KINDS) == at_schedule and dice.random() < rate
        ]


class DisorderPlan:
    """The disorders still to happen, and the weather."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Disorder] = []
        self._weather: Weather | None = None

    def add(self, disorder: Disorder) -> Disorder:
        """Plan one more; events are counted from now."""
        with self._lock:
            self._planned.append(disorder)
        return disorder

    def set_weather(self, seed: int, rates: Mapping[str, float]) -> None:
        """Let kinds strike by chance, the same for the same seed and order of events.

        Raises `ValueError` for a kind that there is not.
        """
        unknown = rates.keys() - set(KINDS)
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        with self._lock:
            self._weather = Weather(seed, rates)

    def clear(self) -> None:
        """Forget the plan and the weather."""
        with self._lock:
            self._planned.clear()
            self._weather = None

    def at_schedule(self, event: Json) -> list[Disorder]:
        """Count an event that is to be sent, and return what strikes it."""
        return self._take(event, at_schedule=True)

    def at_sending(self, event: Json) -> list[Disorder]:
        """Count an attempt to send an event, and return what strikes it."""
        return self._take(event, at_schedule=False)

    def _take(self, event: Json, *, at_schedule: bool) -> list[Disorder]:
        with self._lock:
            due = [
                disorder
                for disorder in self._planned
                if (disorder.kind in SCHEDULE_KINDS) == at_schedule
                and disorder.is_due(event["type"])
            ]
            self._planned = [row for row in self._planned if not row.is_over]
            if self._weather is not None:
                due += self._weather.strikes(at_schedule=at_schedule)
            return due


@dataclass(slots=True)
class Letter:
    """What is about to be sent: the event, the time and secrets that sign it."""

    event: Json
    at: int
    secrets: tuple[str, ...]
    is_signed: bool = True
    is_tampered: bool = False
    loses_answer: bool = False
    padding_bytes: int = 0
    raw: bytes | None = None

    def suffer(self, disorder: Disorder) -> None:
        """Let a disorder of sending change the letter."""
        match disorder.kind:
            case "bad_signature":
                self.secrets = ("whsec_of_somebody_else",)
            case "unsigned":
                self.is_signed = False
            case "tampered":
                self.is_tampered = True
            case "stale":
                self.at -= int(disorder.seconds)
            case "future":
                self.at += int(disorder.seconds)
            case "old_version":
                self.event["api_version"] = disorder.value or "2020-08-27"
            case "wrong_livemode":
                self.event["livemode"] = not self.event["livemode"]
            case "wrong_account":
                self.event["account"] = disorder.value or "acct_somebody_else"
            case "oversized":
                self.padding_bytes = disorder.size_bytes
            case "garbage":
                self.raw = b"<html>not an event</html>"
            case "lost_answer":
                self.loses_answer = True

    def body(self) -> bytes:
        """Return the bytes that are signed."""
        if self.raw is not None:
            return self.raw
        text = json.dumps(self.event, indent=2).encode()
        # Blanks after a JSON text change nothing but its size.
        return text.ljust(self.padding_bytes, b" ")
