"""What a chaos run has shown: a line for each case, and what is wrong below it.

Pure. A case holds when nothing is wrong: every sentence under it is a broken promise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.chaos.oracle import Judgement

FAULTS_SHOWN_MAX = 12
_HEAD = (
    "case", "faults", "requests", "cut off", "refused", "received", "billed",
    "diff whole", "cut: over", "under", "worst", "leases", "back median", "worst",
    "seconds",
)  # fmt: skip
_WIDTHS = (26, 7, 9, 8, 8, 10, 10, 11, 10, 6, 8, 7, 12, 8, 8)


@dataclass(slots=True)
class Result:
    """One case: how often its fault struck, and all that came of it.

    `recoveries` are the seconds from a fault's end, or a death, until all was normal.
    """

    case: str
    times: int
    judgement: Judgement
    leases: int = 0
    recoveries: list[float] = field(default_factory=list)
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    # Other figures that the case measures.
    notes: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Return every broken promise."""
        left = [f"{self.leases} picos stay leased"] if self.leases else []
        return [*self.judgement.faults, *self.faults, *left]

    def cells(self) -> tuple[str, ...]:
        """Return the case's line of the table."""
        made, back = self.judgement, self.recoveries
        return (
            self.case,
            f"{self.times:,}",
            f"{made.requests:,}",
            f"{made.cut:,}",
            f"{made.refused:,}",
            f"{made.received:,}",
            f"{made.billed:,}",
            f"{made.difference_whole:,}",
            f"+{made.over:,}",
            f"-{made.under:,}",
            f"+{made.over_max}/-{made.under_max}",
            f"{self.leases:,}",
            f"{median(back):.2f} s" if back else "",
            f"{max(back):.2f} s" if back else "",
            f"{self.seconds:.0f}",
        )


def table(results: Sequence[Result]) -> str:
    """Return the table; tokens are output tokens."""
    lines = [_line(_HEAD), *(_line(each.cells()) for each in results)]
    for each in results:
        lines += [f"  {each.case}: {note}" for note in each.notes]
    for each in results:
        wrong = each.wrong
        lines += [f"  {each.case}: WRONG: {one}" for one in wrong[:FAULTS_SHOWN_MAX]]
        if len(wrong) > FAULTS_SHOWN_MAX:
            lines.append(f"  {each.case}: and {len(wrong) - FAULTS_SHOWN_MAX} more")
    return "\n".join(lines)


def slope_per_hour(weights: Sequence[tuple[float, int]]) -> float | None:
    """Return by how many bytes an hour a weight grew: a line through its last half.

    None where there is too little to tell; the first half is for warming up.
    """
    late = weights[len(weights) // 2 :]
    if len(late) < 10:
        return None
    mean_at = sum(at for at, _ in late) / len(late)
    mean_bytes = sum(weight for _, weight in late) / len(late)
    spread = sum((at - mean_at) ** 2 for at, _ in late)
    if not spread:
        return None
    along = sum((at - mean_at) * (weight - mean_bytes) for at, weight in late)
    return along / spread * 3600


def _line(cells: Sequence[str]) -> str:
    first, *rest = cells
    width, *widths = _WIDTHS
    padded = zip(rest, widths, strict=True)
    return first.ljust(width) + "".join(cell.rjust(width) for cell, width in padded)
