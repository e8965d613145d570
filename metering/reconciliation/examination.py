"""Make checks, all of them in one snapshot of the database.

What gateways commit, the rollup takes over or the ledger posts meanwhile is not seen:
each of them moves its marks in the transaction that moves its sums, so at any instant
the books agree, but for what is still to be done. Failure: a check that cannot be
carried out raises, and so do sums that differ where no check does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kit.orm.atomic import cursor
from kit.orm.snapshot import snapshot
from metering.reconciliation.chain import Step, chain
from metering.reconciliation.checks.check import Check, Finding, Scope
from metering.reconciliation.models import EpochProof
from metering.reconciliation.proofs import count_epochs

# A check of a large installation takes longer than anything that somebody waits for.
_PATIENCE = """
SELECT set_config('statement_timeout', '30min', true),
    set_config('idle_in_transaction_session_timeout', '30min', true),
    set_config('work_mem', '64MB', true), set_config('jit', 'off', true)
"""
# The instants that enclose the window's days in every tenant's zone, and in UTC: what
# engines counted before the first tenant had a day is held against nothing metered.
_BOUNDS = """
SELECT least((SELECT min(starts_at) FROM usage_billingday WHERE date >= %(start)s),
        %(start)s::timestamp AT TIME ZONE 'UTC'),
    greatest((SELECT max(ends_at) FROM usage_billingday WHERE date < %(end)s),
        %(end)s::timestamp AT TIME ZONE 'UTC')
"""


@dataclass(frozen=True, slots=True)
class Examination:
    """What the checks saw, in order, the sums of the chain, and the epochs' proofs."""

    findings: tuple[tuple[Check, Finding], ...]
    steps: tuple[Step, ...]
    proofs: tuple[EpochProof, ...] = ()

    @property
    def rows(self) -> int:
        """Return how many rows were looked at."""
        return sum(finding.rows for _, finding in self.findings)

    @property
    def differences(self) -> int:
        """Return how many differences there are, listed or not."""
        return sum(finding.differences for _, finding in self.findings)


def examine(checks: Iterable[Check], scope: Scope) -> Examination:
    """Make the checks that the scope allows, and add up the chain."""
    with snapshot():
        with cursor() as session:
            session.execute(_PATIENCE)
        bounded = _bounded(scope)
        made = Examination(
            tuple(
                (check, check.run(bounded))
                for check in checks
                if check.is_of_tenants or scope.tenant_id is None
            ),
            chain(bounded),
            # Gateways are not one tenant's.
            count_epochs(bounded) if scope.tenant_id is None else (),
        )
    _require_explained(made)
    return made


def _bounded(scope: Scope) -> Scope:
    with cursor() as session:
        session.execute(_BOUNDS, scope.parameters)
        since, until = session.fetchone()
    return replace(scope, since=since, until=until)


def _require_explained(made: Examination) -> None:
    astray = [step for step in made.steps if step.differs_picos]
    if astray and not made.differences:
        raise RuntimeError(f"sums differ and no check says why: {astray}")
