"""Containers without Docker: a root file system, a user and a network of their own.

The kernel's own tools do it: `unshare` for the mounts and the network, `chroot` for the
root, `setpriv` for the user. All containers of a `Host` share one network in which only
loopback exists, so that the ports are those of production and nothing leads outside.

Needs Linux and root; `missing()` says what is not there. Owns the processes: they end
with the `Host`, and their mounts with them.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from config.local.account import Account
from config.local.children import dies_with_parent

TOOLS = ("unshare", "nsenter", "mount", "chroot", "setpriv", "env", "sh", "ldconfig")
MERGED = ("bin", "sbin", "lib", "lib64")
CLONE_NEWNET = 0x40000000
STOP_SECONDS_MAX = 20.0
BUILD_SECONDS_MAX = 300.0
# The tools' own; what runs inside gets its own environment and nothing else.
_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_LOOPBACK_UP = (
    "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, "
    "struct.pack('16sH14x', b'lo', 1)); print(flush=True); import time; time.sleep(1e9)"
)


def missing() -> str:
    """Return why no container can be run here, or nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a root file system of its own takes Linux and root"
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    probe = ("unshare", "--mount", "--net", "mount", "-t", "tmpfs", "none", "/mnt")
    done = subprocess.run(probe, capture_output=True, check=False, text=True)
    return done.stderr.strip() if done.returncode else ""


def prepare(root: Path, names: Sequence[str] = ()) -> None:
    """Make a folder the root file system of a bare Python image.

    It gets this system's programs and the Python that runs the tests, where images of
    Python have it. `names` are hosts, all of them here.
    """
    for folder in ("usr", "etc", "proc", "dev", "tmp", "root"):
        (root / folder).mkdir(parents=True)
    for name in MERGED:
        here = Path("/", name)
        if here.is_symlink():
            (root / name).symlink_to(here.readlink())
        elif here.is_dir():
            (root / name).mkdir()
    for name in ("nsswitch.conf", "resolv.conf", "ld.so.conf", "ld.so.conf.d", "ssl"):
        here = Path("/etc", name)
        if here.is_dir():
            shutil.copytree(here, root / "etc" / name, symlinks=True)
        elif here.exists():
            shutil.copy(here, root / "etc" / name)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    hosts = " ".join(("localhost", *names))
    (root / "etc/hosts").write_text(f"127.0.0.1 {hosts}\n")
    build(root, ["ldconfig"])


def build(
    root: Path,
    command: Sequence[str],
    *,
    directory: str = "/",
    env: Mapping[str, str] | None = None,
    shared: Mapping[str, Path] | None = None,
) -> None:
    """Run one step of a build as root, with the network and the `shared` folders."""
    script = _mounts(root, shared=shared or {})
    inner = ("chroot", str(root), *_with(env or _PATH, directory), *command)
    done = subprocess.run(
        _in_own_mounts(script, inner),
        env=_PATH,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS_MAX,
    )
    if done.returncode:
        said = f"{done.stdout}{done.stderr}"[-4000:]
        raise AssertionError(f"{' '.join(command)[:200]}: {said}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may do: as whom, where it may write."""

    user: str
    directory: str
    tmpfs: Sequence[str]


class Container:
    """A running container."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        *,
        limits: Limits,
        env: Mapping[str, str],
        log: Path,
    ) -> None:
        self.process = process
        self._limits = limits
        self._env = env
        self._log = log

    @property
    def pid(self) -> int:
        """Return its first process."""
        return self.process.pid

    def run(
        self, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command beside it, as `docker exec` does."""
        entered = ("nsenter", f"--target={self.pid}", "--mount", "--net", "--root")
        inner = _as_user(self._limits, {**self._env, **(env or {})})
        return subprocess.run(
            [*entered, *inner, *command],
            env=_PATH,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def said(self) -> str:
        """Return the end of what it wrote."""
        return self._log.read_text(errors="replace")[-3000:]

    def stop(self) -> int:
        """Ask it to end, as `docker stop` does, and return its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS_MAX)


class Host:
    """A machine for containers: one network, many processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keeper: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Host":
        self._keeper = self._spawn(
            ("unshare", "--net", sys.executable, "-c", _LOOPBACK_UP),
            stdout=subprocess.PIPE,
        )
        if self._keeper.stdout is None or not self._keeper.stdout.readline():
            raise AssertionError("there is no network of its own")
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def start(
        self, name: str, root: Path, command: Sequence[str], limits: Limits, **env: str
    ) -> Container:
        """Run a command in a read-only root, as a user without any privilege."""
        script = _mounts(root, tmpfs=limits.tmpfs, read_only=True)
        inner = ("chroot", str(root), *_as_user(limits, env), *command)
        log = self._folder / f"{name}.log"
        outer = [*self.entering, *_in_own_mounts(script, inner)]
        with log.open("wb") as output:
            process = self._spawn(outer, stdout=output)
        return Container(process, limits=limits, env=env, log=log)

    def server(self, name: str, command: Sequence[str], account: Account) -> None:
        """Run a server of this system's in the containers' network, not in a root."""
        ids = (f"--reuid={account.uid}", f"--regid={account.gid}")
        user = ("setpriv", *ids, "--clear-groups")
        with (self._folder / f"{name}.log").open("wb") as output:
            self._spawn([*self.entering, *user, *command], stdout=output)

    @property
    def entering(self) -> tuple[str, str]:
        """Return the command that runs another one in the containers' network."""
        assert self._keeper is not None
        return ("nsenter", f"--net=/proc/{self._keeper.pid}/ns/net")

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Let this thread open its sockets in the containers' network."""
        assert self._keeper is not None
        libc = ctypes.CDLL(None, use_errno=True)
        own = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        with (
            Path(own).open("rb") as home,
            Path(f"/proc/{self._keeper.pid}/ns/net").open("rb") as away,
        ):
            assert libc.setns(away.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), CLONE_NEWNET) == 0

    def _spawn(
        self, command: Sequence[str], *, stdout: int | IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            cwd="/",
            env=_PATH,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            preexec_fn=dies_with_parent(signal.SIGKILL),  # noqa: PLW1509
        )
        self._processes.append(process)
        return process


def _in_own_mounts(script: str, inner: Sequence[str]) -> list[str]:
    outer = ("unshare", "--mount", "--propagation=private", "sh", "-euc")
    return [*outer, f'{script}\nexec "$@"', "sh", *inner]


def _as_user(limits: Limits, env: Mapping[str, str]) -> list[str]:
    uid, _, gid = limits.user.partition(":")
    return [
        *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"),
        *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
        *_with(env, limits.directory),
    ]


def _with(env: Mapping[str, str], directory: str) -> list[str]:
    """Return the command that runs another one with this environment and no other."""
    return [
        *("env", "--ignore-environment", f"--chdir={directory}"),
        *(f"{name}={value}" for name, value in env.items()),
    ]


def _mounts(
    root: Path,
    *,
    tmpfs: Sequence[str] = (),
    shared: Mapping[str, Path] | None = None,
    read_only: bool = False,
) -> str:
    """Return the lines of the shell that put a root file system together."""
    lines = [f"mount --bind {root} {root}"]
    merged = [name for name in MERGED if not (root / name).is_symlink()]
    lines += [f"mount --rbind /{name} {root}/{name}" for name in ("usr", *merged)]
    lines += [
        f"mount --rbind {sys.base_prefix} {root}/usr/local",
        f"mount --rbind /proc {root}/proc",
        f"mount --rbind /dev {root}/dev",
    ]
    for place, folder in (shared or {}).items():
        (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        lines.append(f"mount --bind {folder} {root}{place}")
    if read_only:
        lines.append(f"mount -o remount,bind,ro {root}")
        lines += [
            f"mount -o remount,bind,ro {root}/{name}" for name in ("usr", *merged)
        ]
    for mount in tmpfs:
        place, _, options = mount.partition(":")
        lines.append(f"mount -t tmpfs -o {options} tmpfs {root}{place}")
    return "\n".join(lines)
