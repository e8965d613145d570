"""What one request holds, what it waits for, and the slices of budgets it comes from.

Plain data of `metering.intake.leases`, with the arithmetic of one claim at one place.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kit.contracts import BudgetPlace, LinearPrice, TokenCounts
from metering.intake.amounts import bound_of, floor_of

# What a lease is to last for at the present rate of use, so that few requests wait.
AHEAD_S = 1.0


class Answer(enum.Enum):
    """What became of a wish."""

    HELD = enum.auto()
    SPENT = enum.auto()
    LATE = enum.auto()


@dataclass(slots=True, eq=False)
class Lease:
    """A slice of one window that this process may use."""

    window_id: int
    place: BudgetPlace
    amount: int = 0
    held: int = 0
    # Settled here, while the commit that tells the database is under way.
    settling: int = 0
    # Those of open requests that count towards it, and how many wishes wait for it.
    claims: set["Claim"] = field(default_factory=set["Claim"])
    waiting: int = 0
    # The first who waits and lacks of it; and what those keep of it who wait for
    # another lease.
    head: "Wish | None" = None
    reserved: int = 0
    # What open requests have used of it, as of the last measure.
    used: int = 0
    # How much was taken per second, and since the last look.
    burn: float = 0.0
    taken: int = 0
    used_at_us: int = 0
    recalled_us: int = 0
    # When the limit that it was granted under may change by itself.
    until_us: int | None = None
    # Whether what is free goes back at the next look, wished for or not.
    is_recalled: bool = False
    # How often in a row the database had less of it than is known here.
    disagreed: int = 0
    # Whether something was asked of the database since the last look.
    is_moving: bool = False

    @property
    def free(self) -> int:
        """Return what nobody holds; negative while more was used than granted."""
        return self.amount - self.held

    def gives(self, more: int) -> bool:
        """Tell whether somebody behind all who wait may have so much more of it."""
        return more <= 0 or (self.head is None and more <= self.free - self.reserved)

    @property
    def least(self) -> int:
        """Return what it lacks for its head, and for those before it."""
        if self.head is None:
            return 0
        parts = self.head.claim.parts
        more = sum(self.head.least(part) for part in parts if part.lease is self)
        return max(self.reserved + more - self.free, 0)

    @property
    def target(self) -> int:
        """Return what should be free at the present rate of use.

        Before there is one: as much again as was taken, for a burst just begins.
        """
        return max(round(self.burn * AHEAD_S), self.taken)


@dataclass(slots=True, eq=False)
class Part:
    """What one hold has of one lease."""

    lease: Lease
    held: int = 0
    used: int = 0


@dataclass(slots=True, eq=False)
class Claim:
    """What one request holds, in every lease of its chain.

    `counts` is what the client has or is about to get; `prompt_tokens` the bound of the
    prompt until `is_exact`. A claim that is not `is_shrinkable` may get all at once.
    """

    price: LinearPrice
    parts: tuple[Part, ...]
    since_us: int
    prompt_tokens: int = 0
    output_tokens: int = 0
    is_exact: bool = False
    is_shrinkable: bool = True
    counts: TokenCounts = field(default_factory=TokenCounts)
    # Those that `used` of the parts was last found of.
    measured: TokenCounts | None = None

    def need(self, part: Part, prompt_tokens: int, output_tokens: int) -> int:
        """Return what this much comes to at one place, at the most."""
        return bound_of(
            part.lease.place,
            self.price,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
        )

    def used(self, part: Part) -> int:
        """Return the least that it has used, whatever share turns out to be cached."""
        counts = self.counts
        return floor_of(
            part.lease.place,
            self.price,
            prompt_tokens=counts.input_tokens + counts.cached_input_tokens,
            output_tokens=counts.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How a window stood when a grant was asked of it; no limit means no bound."""

    granted: int
    in_force: int | None
    posted: int
    used_elsewhere: int
    # When the limit may change by itself.
    until_us: int | None = None


@dataclass(slots=True, eq=False)
class Wish:
    """A claim that waits for more than is free, the wanted amount of output first."""

    claim: Claim
    prompt_tokens: int
    outputs: tuple[int, ...]
    is_extension: bool
    until_us: int
    answered: Callable[[Answer, BudgetPlace | None], None]
    is_waiting: bool = False

    @property
    def tenant_id(self) -> int:
        """Return whose claim it is: all of its leases are the one tenant's."""
        return self.claim.parts[0].lease.place.tenant_id

    @property
    def order(self) -> tuple[bool, int]:
        """Put extensions before admissions, and the oldest first."""
        return not self.is_extension, self.claim.since_us

    def more(self, part: Part, output_tokens: int) -> int:
        """Return what it takes beyond what is held, with so much output."""
        need = self.claim.need(part, self.prompt_tokens, output_tokens)
        return need - part.held

    def least(self, part: Part) -> int:
        """Return what the least of it takes beyond what is held."""
        return self.more(part, self.outputs[-1])

    def lacks(self, part: Part) -> bool:
        """Tell whether one place stands in the way of the least of it."""
        return not part.lease.gives(self.least(part))

    @property
    def place(self) -> BudgetPlace:
        """Return what it waits for: what is short, or others wait for before it."""
        parts = self.claim.parts
        return next(filter(self.lacks, parts), parts[0]).lease.place

    def spent_at(self, standings: Mapping[int, Standing]) -> BudgetPlace | None:
        """Return the place that will never cover the least, if there is one.

        What is settling is left out: the database may have posted it already.
        """
        for part in self.claim.parts:
            lease = part.lease
            standing = standings.get(lease.window_id)
            if standing is None or standing.in_force is None:
                continue
            need = self.claim.need(part, self.prompt_tokens, self.outputs[-1])
            left = (
                standing.in_force
                - standing.posted
                - standing.used_elsewhere
                - lease.used
                + part.used
            )
            if left < need and need - part.held > lease.free:
                return lease.place
        return None
