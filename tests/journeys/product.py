"""A running product for a test: the supervisor of `make up` with a folder of its own.

Failure: what does not come up, or leaves a process behind, fails the test and shows
what the product said last.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from config.env import GROUPS
from config.env_base import Settings
from config.local.children import dies_with_parent, free_port
from config.local.settings import UpSettings
from config.local.state import read_env
from tests.journeys.migrated import fill

ROOT = Path(__file__).resolve().parents[2]
# Much more than it takes: waiting costs only where it is in vain.
START_SECONDS_MAX = 240.0
STOP_SECONDS_MAX = 40.0
POLL_SECONDS = 0.1
SAID_CHARS_MAX = 6000
GROUPS_OF_ALL: tuple[type[Settings], ...] = (*GROUPS, UpSettings)
OURS = {name.upper() for group in GROUPS_OF_ALL for name in group.model_fields}


@dataclass(frozen=True)
class Product:
    """A product that runs, as its users see it."""

    url: str
    base_url: str
    api_key: str
    model: str
    operator_token: str
    admin_user: str
    admin_password: str
    admin_totp_secret: str
    console_user: str
    console_password: str
    env: Mapping[str, str]
    state_dir: Path
    supervisor: "subprocess.Popen[bytes]"
    root: Path = ROOT

    def manage(self, *args: str) -> str:
        """Run one of manage.py's commands beside the product; return its stdout."""
        done = subprocess.run(
            [sys.executable, str(self.root / "manage.py"), *args],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{args[0]} failed: {done.stderr[-SAID_CHARS_MAX:]}")
        return done.stdout

    def pid(self, name: str) -> int:
        """Return the process id of `gateway-1`, `web`, `postgres` and so on."""
        return int((self.state_dir / "pids" / f"{name}.pid").read_text())


@contextlib.contextmanager
def running_product(
    engine_url: str | None = None,
    engine_model: str | None = None,
    env: Mapping[str, str] | None = None,
    state_dir: Path | None = None,
    root: Path = ROOT,
) -> Iterator[Product]:
    """Run a product of its own until the block ends, and see that nothing stays.

    With a `state_dir` it starts from what is there, and its state is kept for a later
    run; else it starts from a database that is migrated, and leaves nothing. `root` may
    be another checkout, to compare the two.
    """
    with contextlib.ExitStack() as stack:
        state = state_dir or stack.enter_context(temporary_state())
        if state_dir is None and root == ROOT:
            fill(state, environment(root))
        settings = {
            "PORT": str(free_port()),
            "ENGINE_URL": engine_url or "",
            "ENGINE_MODEL": engine_model or "",
            # One process less; with "" invoices go to the stand-in, as `make up` does.
            "BILLING_PROVIDER": "offline",
            **(env or {}),
            "STATE_DIR": str(state),
        }
        supervisor = stack.enter_context(started(settings, root))
        url = f"http://127.0.0.1:{settings['PORT']}"
        wait_until_up(supervisor, url, state)
        demo = read_env(state / "demo.env")
        yield Product(
            url=url,
            base_url=demo["OPENAI_BASE_URL"],
            api_key=demo["OPENAI_API_KEY"],
            model=demo["TOLLGATE_MODEL"],
            operator_token=demo["TOLLGATE_OPERATOR_TOKEN"],
            admin_user=demo["TOLLGATE_ADMIN_USER"],
            admin_password=demo["TOLLGATE_ADMIN_PASSWORD"],
            admin_totp_secret=demo["TOLLGATE_ADMIN_TOTP_SECRET"],
            console_user=demo["TOLLGATE_CONSOLE_USER"],
            console_password=demo["TOLLGATE_CONSOLE_PASSWORD"],
            env={**environment(root), **read_env(state / "product.env")},
            state_dir=state,
            supervisor=supervisor,
            root=root,
        )
        stop(supervisor, state)


@contextlib.contextmanager
def temporary_state() -> Iterator[Path]:
    """Provide an empty folder that PostgreSQL's account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="tollgate-product-"))
    folder.chmod(0o711)
    try:
        yield folder / "state"
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def started(
    settings: Mapping[str, str], root: Path = ROOT
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the supervisor with these settings; what it says goes to `said(state)`."""
    state = Path(settings["STATE_DIR"])
    state.mkdir(parents=True, exist_ok=True)
    with _output(state).open("wb") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "config.local.up"],
            cwd=root,
            env={**environment(root), **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Killed outright, the tests leave no product behind.
            preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )
    try:
        yield supervisor
    finally:
        if supervisor.poll() is None:
            supervisor.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                supervisor.wait(STOP_SECONDS_MAX)
            supervisor.kill()
        supervisor.wait()


def wait_until_up(supervisor: "subprocess.Popen[bytes]", url: str, state: Path) -> None:
    """Return once the gateway is ready and passes pages of web."""
    deadline = time.monotonic() + START_SECONDS_MAX
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
        for path in ("/readyz", "/accounts/login/"):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get(path).status_code == httpx.codes.OK:
                        break
                if supervisor.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"no {path} of the product: {said(state)}")
                time.sleep(POLL_SECONDS)


def stop(supervisor: "subprocess.Popen[bytes]", state: Path) -> None:
    """Ask the product to stop; fails unless it does, and leaves nothing behind."""
    supervisor.send_signal(signal.SIGTERM)
    try:
        status = supervisor.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the product does not stop: {said(state)}") from None
    assert status == 0, said(state)
    assert processes_of(state) == [], said(state)
    assert list((state / "pids").iterdir()) == []


def processes_of(state: Path) -> list[str]:
    """Return the command lines of all processes that name the folder."""
    mark = str(state).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if mark in command or mark in (process / "environ").read_bytes():
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def said(state: Path) -> str:
    """Return the end of what the product printed."""
    return _output(state).read_text(errors="replace")[-SAID_CHARS_MAX:]


def _output(state: Path) -> Path:
    return state / "output.log"


def environment(root: Path = ROOT) -> dict[str, str]:
    """Return this process's environment for this checkout, without any setting."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OURS and not name.startswith("ENGINE_")
    }
    return {**kept, "PYTHONPATH": f"{root / 'platform'}{os.pathsep}{root}"}
