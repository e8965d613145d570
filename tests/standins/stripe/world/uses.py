"""What a meter counts."""

from dataclasses import dataclass


@dataclass(slots=True)
class Use:
    """One meter event, as it is counted."""

    customer: str
    value: int
    at: int
    told_at: int
    identifier: str
