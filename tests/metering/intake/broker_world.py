"""A tenant with limits in a real database, and meters that hold on leases of them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connections

from kit.contracts import (
    Admission,
    BudgetPlace,
    Caller,
    Hold,
    Outcome,
    Surface,
    TokenCounts,
)
from kit.orm.roles import as_operator
from kit.postgres import follow
from metering.intake.broker import CHANNEL, POLL_S
from metering.intake.meter import IntakeMeter
from tests.databases import Database
from tests.eventually import eventually
from tests.factories.limits import make_budget, make_quota
from tests.factories.tenants import make_key, make_tenant, midday_zone
from tests.metering.intake.metered import OUTCOME, PRICE, meter

OUTPUTS = (64, 32, 16, 8, 4, 2, 1)


@dataclass(slots=True)
class BrokerWorld:
    """One key, with hard limits of its tenant, its project and itself."""

    database: Database
    caller: Caller
    chain: tuple[BudgetPlace, ...]

    @classmethod
    def make(cls, database: Database, *, tokens: int) -> "BrokerWorld":
        """Let the key have so many tokens a day, and ample money above."""
        with as_operator():
            key = make_key(tenant=make_tenant(zone=midday_zone())).row
            make_quota(tokens, api_key=key)
            make_budget(10**15, project=key.project)
            make_budget(10**15, tenant=key.tenant)
        connections.close_all()
        caller = Caller(key.tenant_id, key.project_id, key.pk, "USD")

        def place(level: str, holder: int, kind: str, window: str) -> BudgetPlace:
            unit = "tokens" if kind == "quota" else ""
            return BudgetPlace(
                key.tenant_id, level, holder, kind, unit, window, "", is_hard=True
            )

        chain = (
            place("tenant", key.tenant_id, "budget", "month"),
            place("project", key.project_id, "budget", "month"),
            place("api_key", key.pk, "quota", "day"),
        )
        return cls(database, caller, chain)

    @property
    def quota(self) -> BudgetPlace:
        """Return the place that is scarce."""
        return self.chain[2]

    @contextlib.asynccontextmanager
    async def gateway(self, name: str, **given: Any) -> AsyncIterator[IntakeMeter]:
        """Run a gateway's meter that hears of recalls."""
        url = self.database.url_for("gateway")
        made = meter(url, gateway=name, **given)
        await made.start()
        following = asyncio.create_task(
            follow(
                url,
                name=f"{name} budgets",
                channel=CHANNEL,
                refresh=made.leases.recalled,
                poll_s=POLL_S,
            )
        )
        try:
            yield made
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await made.stop()

    def admit(self, made: IntakeMeter) -> Admission:
        """Admit a request of the key."""
        return made.admit(
            self.caller,
            model=PRICE.model,
            surface=Surface.CHAT_COMPLETIONS,
            streamed=True,
        )

    async def hold(
        self,
        made: IntakeMeter,
        *,
        prompt: int = 0,
        outputs: Sequence[int] = OUTPUTS,
        patience_s: float = 5.0,
    ) -> tuple[Admission, Hold]:
        """Admit a request and hold for it; void it where that fails."""
        admission = self.admit(made)
        try:
            hold = await made.hold(
                admission,
                self.chain,
                prompt_tokens=prompt,
                outputs=outputs,
                patience_s=patience_s,
            )
        except BaseException:
            made.void(admission)
            raise
        return admission, hold

    def settle(
        self, made: IntakeMeter, admission: Admission, prompt: int, output: int
    ) -> asyncio.Future[None]:
        """Settle a request with these tokens."""
        return made.settle(admission, outcome(prompt, output))

    def rows(self, statement: str) -> list[Any]:
        """Look at what is committed."""
        with psycopg.connect(
            self.database.url_for("operator"), autocommit=True
        ) as session:
            return session.execute(statement.encode()).fetchall()

    @property
    def posted(self) -> int:
        """Return the tokens that are posted to the key's day."""
        rows = self.rows("SELECT sum(posted) FROM budgets_window WHERE kind = 'quota'")
        return int(rows[0][0])

    @property
    def leased(self) -> int:
        """Return all that is leased, of whatever."""
        rows = self.rows("SELECT coalesce(sum(amount), 0) FROM budgets_lease")
        return int(rows[0][0])

    async def quiet(self) -> None:
        """Wait until nothing is leased."""
        await eventually(lambda: self.leased == 0)

    def set_quota(self, value: int) -> None:
        """Change the quota as its owner does."""
        with psycopg.connect(self.database.url_for("owner")) as session:
            session.execute("UPDATE tenants_quota SET value = %s", [value])
            session.execute("SELECT budgets_recall(%s)", [self.caller.tenant_id])


def outcome(prompt: int, output: int) -> Outcome:
    """Make the outcome of a request with these tokens."""
    return Outcome(
        status=OUTCOME.status,
        counts=TokenCounts(prompt, 0, output),
        generated_tokens=output,
        counted_by=OUTCOME.counted_by,
        replica_id=OUTCOME.replica_id,
        first_token_us=1_000,
        duration_us=2_000,
    )


async def stream(
    world: BrokerWorld, made: IntakeMeter, *, prompt: int, tokens: int, chunk: int = 3
) -> int:
    """Serve a stream as the relay does; return how many tokens the client got."""
    admission, hold = await world.hold(made, prompt=prompt + 5)
    sent = 0
    while sent < tokens:
        counts = TokenCounts(prompt, 0, min(sent + chunk, tokens))
        if not hold.covers(counts) and not await hold.extend(counts):
            break
        sent = counts.output_tokens
        hold.handed_over(counts)
        await asyncio.sleep(0)
    await world.settle(made, admission, prompt if sent else 0, sent)
    return sent


def elapsed(since: float) -> float:
    """Return the seconds since then."""
    return time.monotonic() - since
