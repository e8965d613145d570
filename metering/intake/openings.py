"""Opens windows in the database, for requests that wait for them and ahead of time.

On a connection of its own: what a tenant used before may take long to sum up, and
nobody's leases are to wait for that. What was asked for together is opened together;
where that fails, tenant by tenant, so that one tenant's trouble is its own.

Failure: what cannot be opened now is asked for again as long as somebody waits, and
those who wait run into their patience. Owns: its connection, and who waits.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
import structlog
from psycopg import AsyncConnection

from kit.contracts import BudgetPlace
from kit.postgres import connect
from metering.intake import lease_statements as statements
from metering.intake.windows import KnownWindow, WindowBook

# How long somebody waits for a window, and the database may work on it.
PATIENCE_S = 5.0
_OPTIONS = "-c lock_timeout=2000 -c statement_timeout=5000"
_AGAIN_S = 0.1

log = structlog.get_logger("tollgate.intake")

Asked = tuple[BudgetPlace, int]


@dataclass(slots=True)
class Openings:
    """Brings windows that are not known yet into the book of those that are."""

    url: str
    name: str
    now_us: Callable[[], int]
    windows: WindowBook
    _waited_for: dict[Asked, asyncio.Future[bool]] = field(default_factory=dict)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: AsyncConnection | None = None

    def ask(self, place: BudgetPlace, at_us: int) -> asyncio.Future[bool]:
        """Ask for the window of a place at an instant.

        Done once that was tried: with whether the database said if there is one.
        """
        future = self._waited_for.get((place, at_us))
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waited_for[place, at_us] = future
            self._wanted.set()
        return future

    async def run(self) -> None:
        """Open what is asked for until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            asked = list(self._waited_for)
            if not await self._is_opened(asked):
                by_tenant: dict[int, list[Asked]] = {}
                for each in asked:
                    by_tenant.setdefault(each[0].tenant_id, []).append(each)
                for some in by_tenant.values():
                    await self._is_opened(some)
                # Who still waits asks again.
                self._answer(asked, is_opened=False)
                await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _is_opened(self, asked: Sequence[Asked]) -> bool:
        """Open these windows; tell whether that succeeded."""
        try:
            await self._open(asked)
        except psycopg.Error as error:
            log.warning("windows_not_opened", reason=type(error).__name__)
            with contextlib.suppress(psycopg.Error):
                await self.close()
            return False
        self._answer(asked, is_opened=True)
        return True

    async def _open(self, asked: Sequence[Asked]) -> None:
        # Many may wait for one place, at instants of which two windows hold all.
        instants: dict[BudgetPlace, set[int]] = {}
        for place, at_us in asked:
            instants.setdefault(place, set()).add(at_us)
        rows = [
            (place, at_us)
            for place, all_us in instants.items()
            for at_us in sorted({min(all_us), max(all_us)})
        ]
        places = [place for place, _ in rows]
        if self._connection is None or self._connection.closed:
            self._connection = await connect(
                self.url, name=f"{self.name} windows", options=_OPTIONS
            )
        cursor = await self._connection.execute(
            statements.OPEN,
            {
                "tenants": [place.tenant_id for place in places],
                "levels": [place.level for place in places],
                "holders": [place.holder_id for place in places],
                "kinds": [place.kind for place in places],
                "units": [place.unit for place in places],
                "windows": [place.window for place in places],
                "models": [place.model for place in places],
                "instants_us": [at_us for _, at_us in rows],
            },
        )
        now_us = self.now_us()
        for row in await cursor.fetchall():
            number, window_id, starts_us, ends_us = map(int, row)
            window = KnownWindow(window_id, starts_us, ends_us)
            self.windows.add(places[number - 1], window, now_us=now_us)

    def _answer(self, asked: Sequence[Asked], *, is_opened: bool) -> None:
        for each in asked:
            future = self._waited_for.pop(each, None)
            if future is not None and not future.done():
                future.set_result(is_opened)
