"""What the meter tells of itself: plain figures, read when somebody asks."""

from collections.abc import Callable
from dataclasses import dataclass

from kit.histogram import Histogram
from metering.intake.meter import IntakeMeter

# A figure by its name: what it says, and how it is read.
Figures = dict[str, tuple[str, Callable[[], float]]]


@dataclass(frozen=True, slots=True)
class MeterMetrics:
    """The figures of one process's meter."""

    meter: IntakeMeter

    @property
    def gauges(self) -> Figures:
        """Return what stands now."""
        meter, journal = self.meter, self.meter.journal
        return {
            "tollgate_requests_open": (
                "Admitted requests that are neither settled nor voided.",
                lambda: meter.open_requests,
            ),
            "tollgate_events_waiting": (
                "Usage events that are not committed yet.",
                lambda: meter.committer.waiting,
            ),
            "tollgate_database_away": (
                "1 while PostgreSQL does not answer.",
                lambda: meter.liveness.is_away,
            ),
            "tollgate_journal_slots": (
                "Slots of the journal: as many requests may be unsettled.",
                lambda: journal.file.slots,
            ),
            "tollgate_journal_slots_used": (
                "Slots of requests that are not settled.",
                lambda: len(journal.entries),
            ),
            "tollgate_journal_window_seconds": (
                "How far a failover of PostgreSQL may go back without a loss.",
                lambda: journal.window_us // 1_000_000,
            ),
        }

    @property
    def counters(self) -> Figures:
        """Return what has happened."""
        stats, dead = self.meter.committer.stats, self.meter.dead_journals
        return {
            "tollgate_commits": ("Group commits.", lambda: stats.commits),
            "tollgate_events": ("Committed usage events.", lambda: stats.events),
            "tollgate_commit_retries": (
                "Commits that were tried again.",
                lambda: stats.retries,
            ),
            "tollgate_journal_synced": (
                "Endings let go by the journal while PostgreSQL was away.",
                lambda: stats.synced,
            ),
            "tollgate_journals_recovered": (
                "Journals of dead gateways that this one settled.",
                lambda: dead.recovered,
            ),
            "tollgate_events_replayed": (
                "Events inserted again after PostgreSQL had lost them.",
                lambda: stats.replayed,
            ),
            "tollgate_event_conflicts": (
                "Events that the table had already: each is an incident.",
                lambda: stats.conflicts,
            ),
            "tollgate_events_refused": (
                "Events that the database refused: each is an incident.",
                lambda: stats.refused,
            ),
        }

    @property
    def histograms(self) -> dict[str, tuple[str, Histogram]]:
        """Return how long things took."""
        return {
            "tollgate_commit_seconds": (
                "From an event's queueing to its commit.",
                self.meter.committer.stats.waits,
            ),
        }
