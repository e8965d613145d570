"""Kinds of jobs: who has long work to be done says here how one step of it is taken.

A step is short, a few seconds at most, and runs inside one transaction that also notes
how far it came: killed anywhere, the job goes on after the last step that was kept, and
no step is kept twice. So a step opens no connection of its own and calls nobody
outside. Apps register their kinds as Django starts.

Failure: what a step refuses (a `PlatformError`) ends the job with that message, until a
person resumes it; whatever else it raises is a bug or a database that is away, and is
tried again later. Owns: which kinds there are.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kit.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class Step:
    """What a step is told: what was asked for, and where the one before left off.

    `place` is empty before the first step.
    """

    job_id: int
    asked: JsonObject
    place: JsonObject
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Stepped:
    """How far a step came; `whole` is None while nobody can say how much there is.

    The next step is taken at once, unless `not_before` puts it off. `outcome` is what
    the job's page shows, name by name; it replaces the one before.
    """

    done: int
    whole: int | None = None
    place: JsonObject = field(default_factory=dict)
    is_finished: bool = False
    not_before: dt.datetime | None = None
    outcome: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of long work.

    `unit` says what is counted, e.g. "tenants". `cancelling` says what stays when a job
    is cancelled half-way; without it none can be. `address` leads to what came of it.
    `right` is the permission that asking for one takes: whoever resumes or cancels one
    needs it too, beside the right to change jobs.
    """

    name: str
    label: str
    unit: str
    step: Callable[[Step], Stepped]
    cancelling: str = ""
    address: Callable[[JsonObject], str] | None = None
    right: str = ""


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Let jobs of a kind be asked for; the last one of a name counts."""
    _kinds[kind.name] = kind


def forget(name: str) -> None:
    """Take a kind away, as tests do after themselves."""
    _kinds.pop(name, None)


def kinds() -> Mapping[str, Kind]:
    """Return the kinds that this process knows, by name."""
    return _kinds
