"""STATE_DIR: all that `make up` keeps between runs, and the lock on it.

    secrets.env  made once              demo.env  what a client needs to know
    ports.env    remembered             pids/ logs/ journal/ postgres/ valkey/
    product.env  what `manage.py` needs to run beside the product
    stripe       what the stand-in of Stripe holds, where that is used

Whatever holds a secret is readable by this user alone. Failure: a second `make up` on
the same folder ends with one line that names the first.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.local.account import Account, open_place
from config.local.children import LOOPBACK, is_free

PRODUCT_SECRETS = ("KEY_PEPPER", "OPERATOR_TOKEN", "SECRET_KEY")
# Of the stand-in of Stripe, which takes no other key and signs with no other secret.
STRIPE_SECRETS = ("STRIPE_KEY", "STRIPE_WEBHOOK_SECRET")
SECRETS = (*PRODUCT_SECRETS, *STRIPE_SECRETS, "DATABASE_PASSWORD")
SECRET_BYTES = 36


@dataclass(frozen=True, slots=True)
class State:
    """The folder by its parts."""

    root: Path

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        # PostgreSQL may run as another user, which passes through but lists nothing.
        self.root.chmod(0o711)
        for name in ("pids", "logs", "journal", "valkey", "mail"):
            (self.root / name).mkdir(mode=0o700, exist_ok=True)

    @property
    def demo_env(self) -> Path:
        """Return the file of what a client needs: address, key, model, passwords."""
        return self.root / "demo.env"

    @property
    def product_env(self) -> Path:
        """Return the file of the product's own settings."""
        return self.root / "product.env"

    @property
    def mail(self) -> Path:
        """Return the folder of the mails that are written instead of sent."""
        return self.root / "mail"

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.root / "logs" / f"{name}.log"

    def pid(self, name: str) -> Path:
        """Return the pid file of a process."""
        return self.root / "pids" / f"{name}.pid"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; exits with one line when another supervisor does."""
        with (self.root / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise SystemExit(
                    f"tollgate: {self.root} is in use by process "
                    f"{file.read().strip()}: stop that one first, or choose "
                    "another folder with STATE_DIR="
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            for stale in (self.root / "pids").glob("*.pid"):
                stale.unlink()
            yield

    def secrets(self) -> dict[str, str]:
        """Return the secrets, made at the first call and never again."""
        file = self.root / "secrets.env"
        known = read_env(file)
        missing = [name for name in SECRETS if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(SECRET_BYTES) for name in missing}
            write_env(file, known)
        return known

    def ports(self, names: Sequence[str]) -> dict[str, int]:
        """Return a free loopback port for each name: the last run's, if it still is."""
        file = self.root / "ports.env"
        known = {name: int(port) for name, port in read_env(file).items()}
        chosen: dict[str, int] = {}
        with contextlib.ExitStack() as held:
            for name in names:
                port = known.get(name)
                if (
                    port is None
                    or port in chosen.values()
                    or not is_free(LOOPBACK, port)
                ):
                    # Held until all are chosen, so that no two are the same.
                    probe = held.enter_context(socket.socket())
                    probe.bind((LOOPBACK, 0))
                    port = int(probe.getsockname()[1])
                chosen[name] = port
        write_env(file, {name: str(port) for name, port in (known | chosen).items()})
        return chosen

    def postgres_data(self, account: Account) -> Path:
        """Return PostgreSQL's data directory, moved out where its account cannot enter.

        Then `postgres` is a link to it, so that the next run finds it again.
        """
        place = self.root / "postgres"
        if place.is_symlink():
            return place.resolve()
        if not place.exists() and not account.can_enter(self.root):
            aside = Path(tempfile.mkdtemp(dir=open_place(), prefix="postgres-"))
            aside.chmod(0o711)
            place.symlink_to(aside / "data")
            return aside / "data"
        return place


def read_env(file: Path) -> dict[str, str]:
    """Read lines of NAME=value; a missing file is empty."""
    with contextlib.suppress(FileNotFoundError):
        pairs = (line.partition("=") for line in file.read_text().splitlines())
        return {name: value for name, equals, value in pairs if equals}
    return {}


def write_env(file: Path, values: Mapping[str, str]) -> None:
    """Write lines of NAME=value, whole or not at all, for this user's eyes only."""
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(file)
