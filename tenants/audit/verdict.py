"""What a walk along the chains found, as it is counted, listed and logged.

Failure: a difference is logged as `audit_differs` at error level: alarm on it. All are
counted, the first hundred are listed.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import structlog

LISTED_MAX = 100

log = structlog.get_logger(__name__)


class Kind(StrEnum):
    """What is wrong."""

    ALTERED = "altered"
    MISSING = "missing"
    DISPLACED = "displaced"
    HEAD = "head"
    ANCHOR = "anchor"
    DETAIL = "detail"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a chain does not hold, and why."""

    kind: Kind
    chain: int
    seq: int
    what: str


@dataclass(slots=True)
class Verdict:
    """What a walk saw."""

    entries: int = 0
    chains: int = 0
    anchors: int = 0
    differences: int = 0
    listed: list[Difference] = field(default_factory=list)

    def add(self, kind: Kind, chain: int, seq: int, what: str) -> None:
        """Count a difference, and list it while there is room."""
        self.differences += 1
        if len(self.listed) < LISTED_MAX:
            self.listed.append(Difference(kind, chain, seq, what))

    def report(self) -> None:
        """Say in the log what was found, each listed difference in its own line."""
        for each in self.listed:
            log.error(
                "audit_differs",
                kind=str(each.kind),
                chain=each.chain,
                seq=each.seq,
                what=each.what,
            )
        if not self.differences:
            log.info("audit_agrees", entries=self.entries, chains=self.chains)
