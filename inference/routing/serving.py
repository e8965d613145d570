"""How a served model is routed, queued and stood in for, as it is published. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

CANARY_WHOLE = 1000


class Policy(StrEnum):
    """How a request's replica is chosen among those that can take it."""

    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"
    PREFIX_AWARE = "prefix_aware"


class Priority(IntEnum):
    """Who waits for whom: a class is served before those below it."""

    FLEX = 0
    DEFAULT = 1
    PRIORITY = 2

    @classmethod
    def of_published(cls, name: str) -> "Priority":
        """Return a class by its name; what an older gateway does not know is plain."""
        try:
            return cls[name.upper()]
        except KeyError:
            return cls.DEFAULT


@dataclass(frozen=True, slots=True)
class Serving:
    """A served model's own settings of routing and waiting.

    `canary_permille` of all tenants or sessions are served by its canary replicas.
    `fallbacks` are served models that answer in its place, in this order. At most
    `queue_max` requests wait in a process, each `queue_ms` at most for a place, and
    `wake_ms` for a replica where none is up; with 0 they do not wait for one.
    """

    policy: Policy = Policy.PREFIX_AWARE
    canary_permille: int = 0
    fallbacks: tuple[str, ...] = ()
    queue_max: int = 1000
    queue_ms: int = 30_000
    wake_ms: int = 0

    @classmethod
    def of_published(cls, body: Mapping[str, Any]) -> "Serving":
        """Read a model's entry; what it does not say is the default."""
        said = {
            name: body[name]
            for name in ("canary_permille", "queue_max", "queue_ms", "wake_ms")
            if name in body
        }
        if "policy" in body:
            said["policy"] = Policy(body["policy"])
        if "fallbacks" in body:
            said["fallbacks"] = tuple(body["fallbacks"])
        return cls(**said) if said else DEFAULT_SERVING


DEFAULT_SERVING = Serving()
