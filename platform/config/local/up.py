"""Run the whole product on this machine until Ctrl-C: `make up`.

Database, broker, engine and the stand-in of Stripe come first; then the schema, the
roles' passwords and the demo tenant; then web, worker, beat and the gateways. They stop
in the reverse order.

Failure: what does not come up the first time stops everything, with one line that says
which it was; what dies later is started again (`config.local.process`).
"""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence

from config.env import load
from config.local.children import is_free
from config.local.console import Console
from config.local.postgres import PostgresError, make_database, make_owner
from config.local.process import POLL_SECONDS, Process, Program, StartError
from config.local.programs import DATABASE, Plan, manage, parts, plan, services
from config.local.settings import UpSettings
from config.local.state import State, write_env

PORT_SECONDS_MAX = 3.0


class Supervisor:
    """Starts what the plan names, and stops it all."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._stages: list[list[Process]] = []

    async def start(self) -> None:
        """Bring the product up; raises `StartError`."""
        await self._port_is_free()
        write_env(self._plan.state.product_env, self._plan.product_env())
        await self._stage(parts(self._plan))
        if not self._plan.settings.database_url:
            await asyncio.to_thread(self._make_database)
        await self._once(manage(self._plan, "prepare"))
        programs = services(self._plan)
        gateways = [
            program for program in programs if program.name.startswith("gateway")
        ]
        others = [program for program in programs if program not in gateways]
        # Together: each imports for about a second, and none needs another.
        await asyncio.gather(self._stage(others), self._stage(gateways))

    async def stop(self) -> None:
        """Stop everything, what was started last first."""
        for stage in reversed(self._stages):
            await asyncio.gather(*(process.stop() for process in stage))
        self._stages.clear()

    def kill(self) -> None:
        """End everything at once; `stop` still has to follow."""
        for stage in self._stages:
            for process in stage:
                process.kill()

    async def _stage(self, programs: Sequence[Program]) -> None:
        """Start these side by side; they will be stopped side by side too."""
        stage = [
            Process(program, state=self._plan.state, console=self._console)
            for program in programs
        ]
        self._stages.append(stage)
        async with asyncio.TaskGroup() as group:
            for process in stage:
                group.create_task(process.start())

    async def _once(self, program: Program) -> None:
        process = Process(program, state=self._plan.state, console=self._console)
        stage = [process]
        self._stages.append(stage)
        status = await process.finish()
        self._stages.remove(stage)
        if status:
            log = self._plan.state.log(program.name)
            raise StartError(f"{program.name} failed: see {log}")

    def _make_database(self) -> None:
        url = self._plan.superuser_url()
        make_owner(url, password=self._plan.secrets["DATABASE_PASSWORD"])
        make_database(url, DATABASE)

    async def _port_is_free(self) -> None:
        """Wait a moment for a port that a killed run still holds."""
        host, port = self._plan.settings.host, self._plan.settings.port
        deadline = time.monotonic() + PORT_SECONDS_MAX
        while not is_free(host, port):
            if time.monotonic() > deadline:
                raise StartError(
                    f"port {port} of {host} is in use: choose another with PORT="
                )
            await asyncio.sleep(POLL_SECONDS)


async def run(plan: Plan, console: Console) -> int:
    """Run the product until a signal; return the exit status."""
    supervisor = Supervisor(plan, console)
    asked = asyncio.Event()

    def _on_signal() -> None:
        if asked.is_set():
            supervisor.kill()  # asked twice: no more patience
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal)
    try:
        if await _came_up(supervisor, asked):
            for line in _greeting(plan):
                console.say(line)
            await asked.wait()
    except (StartError, PostgresError) as error:
        console.say(str(error))
        return 1
    finally:
        console.say("stopping")
        await supervisor.stop()
        console.say("stopped")
    return 0


async def _came_up(supervisor: Supervisor, asked: asyncio.Event) -> bool:
    """Start everything, unless a signal comes first."""
    starting = asyncio.create_task(supervisor.start())
    waiting = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        error = starting.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if error is not None:
            raise error
        return True
    finally:
        for task in (starting, waiting):
            task.cancel()
        await asyncio.gather(starting, waiting, return_exceptions=True)


def _greeting(plan: Plan) -> list[str]:
    address, demo, stripe = plan.address, plan.state.demo_env, plan.stripe_url
    return [
        "",
        "Tollgate is up. Ctrl-C stops it.",
        f"  API for callers    {address}/v1",
        f"  management API     {address}/api/v1/",
        f"  operators' pages   {address}/admin/",
        f"  finance            {address}/finance/",
        f"  tenants' console   {address}/console/",
        *([f"  stand-in of Stripe {stripe}/"] if stripe else []),
        f"  key and passwords  {demo}",
        "  second factor      make code",
        "",
    ]


def main() -> int:
    """Run `make up` and return its exit status."""
    settings = load(UpSettings)
    state = State(settings.state_dir.expanduser().resolve())
    with state.locked():
        console = Console()
        try:
            return asyncio.run(run(plan(settings, state), console))
        except PostgresError as error:
            console.say(str(error))
            return 1
        finally:
            console.flush()


if __name__ == "__main__":
    sys.exit(main())
