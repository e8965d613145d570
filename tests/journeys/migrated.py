"""The state that a product of a test starts from: a database that is migrated already.

    STATE_DIR=FOLDER python -m tests.journeys.migrated

makes one as `make up` does, by its programs and its secrets; `fill` has it made by the
first who asks on this machine, and copies it for each. What differs from one product to
the next is not in it: ports, the demo and its file come with each start. It lies beside
the tests' cluster, in memory where there is room, and carries a hash of all that shapes
a schema, and the month, for which a migration makes partitions.

Failure: what could not be made is not kept, and says what its processes said.
"""

import asyncio
import contextlib
import datetime as dt
import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.env import load
from config.local.console import Console
from config.local.postgres import make_database, make_owner
from config.local.process import Process
from config.local.programs import DATABASE, Plan, manage, parts, plan
from config.local.settings import UpSettings
from config.local.state import State
from tests.cluster import own_folder
from tests.databases import ROOT, schema_mark

# What a product needs of it; all else is of one run.
KEPT = ("postgres", "secrets.env")


def fill(state: Path, env: Mapping[str, str]) -> None:
    """Put a migrated database and its secrets into a folder of state that is empty.

    `env` is that of this checkout's processes, without any setting.
    """
    state.mkdir(mode=0o711, exist_ok=True)
    with _made(own_folder(), env) as made:
        for name in KEPT:
            # Whoever owns a file of PostgreSQL's must own its copy.
            subprocess.run(["cp", "-a", str(made / name), str(state)], check=True)


@contextlib.contextmanager
def _made(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Provide the folder of what was made, which stays while somebody copies it."""
    name = f"product_{dt.datetime.now(dt.UTC):%Y_%m}_{schema_mark()}"
    with (home / "product.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        # Between two locks another checkout may put its own in place of it.
        while not (home / name).exists():
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / name).exists():
                _make(home / name, env)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield home / name


def _make(folder: Path, env: Mapping[str, str]) -> None:
    """Make it aside, in place of those of other schemas."""
    for old in folder.parent.glob("product_*"):
        shutil.rmtree(old)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix="product_"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.journeys.migrated"],
        cwd=ROOT,
        env={**env, "STATE_DIR": str(fresh)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"no migrated database: {done.stdout}")
    fresh.rename(folder)


async def _migrate(made: Plan, console: Console) -> int:
    """Bring PostgreSQL up, migrate, and stop it in order; return the exit status."""
    state = made.state
    [postgres] = [part for part in parts(made) if part.name == "postgres"]
    server = Process(postgres, state=state, console=console)
    await server.start()
    try:
        make_owner(made.superuser_url(), password=made.secrets["DATABASE_PASSWORD"])
        make_database(made.superuser_url(), DATABASE)
        migrate = manage(made, "migrate")
        return await Process(migrate, state=state, console=console).finish()
    finally:
        await server.stop()


def main() -> int:
    """Make a migrated database in the folder of state, and return the exit status."""
    settings = load(UpSettings)
    state = State(settings.state_dir)
    console = Console()
    with state.locked():
        try:
            return asyncio.run(_migrate(plan(settings, state), console))
        finally:
            console.flush()


if __name__ == "__main__":
    sys.exit(main())
