"""The image, built as the Dockerfile says, into a folder instead of layers.

Each stage starts from a bare Python image; RUN runs as it stands, as root and with the
network; COPY sees what .dockerignore lets through. The package caches of whoever runs
the tests take the place of the cache mounts, so that nothing is downloaded twice.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.deploy import sandbox
from tests.deploy.compose import DEPLOY, ROOT
from tests.deploy.dockerfile import Ignored, Instruction, Stage, expanded, read

BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
# What this machine tells its installers is no part of the Dockerfile, but holds.
OF_INSTALLERS = re.compile(r"(PIP|UV|SSL|REQUESTS)_\w+|\w+_(PROXY|proxy)")


@dataclass(frozen=True, slots=True)
class Image:
    """A root file system and what the Dockerfile says about running it."""

    root: Path
    stage: Stage

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment that every container starts with."""
        return {"PATH": BASE_PATH, **self.stage.environment()}

    @property
    def directory(self) -> str:
        """Return the folder that every container starts in."""
        return self.stage.last("WORKDIR").value

    @property
    def user(self) -> str:
        """Return the user that every container runs as."""
        return self.stage.last("USER").value


def build(folder: Path, *, hosts: Sequence[str]) -> Image:
    """Build the image below a folder; `hosts` are names that containers find."""
    context = folder / "context"
    send(context)
    roots: dict[str, Path] = {}
    for number, stage in enumerate(read(DEPLOY / "Dockerfile")):
        root = folder / f"stage-{number}"
        sandbox.prepare(root, hosts)
        _Steps(stage, root, context, roots).run()
        roots[stage.name] = root
    return Image(root, stage)


def send(context: Path) -> None:
    """Copy what .dockerignore lets through, as a builder receives it."""
    ignored = Ignored((ROOT / ".dockerignore").read_text())
    for folder, names, files in os.walk(ROOT):
        place = Path(folder).relative_to(ROOT)
        # As large as they are, they are never let through as a whole.
        names[:] = [name for name in names if name not in {".git", ".venv"}]
        for file in files:
            path = place / file
            if ignored.lets_through(PurePosixPath(path)):
                target = context / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, target)


class _Steps:
    """Carries out the instructions of one stage."""

    def __init__(
        self, stage: Stage, root: Path, context: Path, others: dict[str, Path]
    ) -> None:
        self._stage = stage
        self._root = root
        self._context = context
        self._others = others
        self._directory = "/"
        self._environment = {"PATH": BASE_PATH, "HOME": "/root"}

    def run(self) -> None:
        for instruction in self._stage.instructions:
            match instruction.word:
                case "WORKDIR":
                    self._directory = instruction.value
                    self._inside(self._directory).mkdir(parents=True, exist_ok=True)
                case "ENV":
                    whole = Stage("", "", (instruction,)).environment()
                    self._environment |= whole
                case "COPY":
                    self._copy(instruction)
                case "RUN":
                    self._run(instruction)

    def _run(self, instruction: Instruction) -> None:
        told = {
            name: value
            for name, value in os.environ.items()
            if OF_INSTALLERS.fullmatch(name)
        }
        shared = {option: Path.home() / ".cache" for option in _caches(instruction)}
        links = os.environ.get("PIP_FIND_LINKS", "")
        if links.startswith("/") and Path(links).is_dir():
            shared[links] = Path(links)
        for folder in shared.values():
            folder.mkdir(exist_ok=True)
        sandbox.build(
            self._root,
            ["/bin/sh", "-c", instruction.value],
            directory=self._directory,
            env={**told, **self._environment},
            shared=shared,
        )

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = expanded(instruction.value, self._environment).split()
        origin = self._context
        for option in instruction.options:
            origin = self._others[option.removeprefix("--from=")]
        place = self._inside(target)
        for source in sources:
            whole = origin / source.lstrip("/")
            if whole.is_dir():
                _take(whole, place)
                continue
            into_folder = target.endswith("/") or len(sources) > 1
            to = place / whole.name if into_folder else place
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(whole, to)

    def _inside(self, path: str) -> Path:
        return self._root / str(PurePosixPath(self._directory, path)).lstrip("/")


def _take(whole: Path, place: Path) -> None:
    """Move a folder to where it is copied to: nothing asks for it a second time."""
    if place.exists():
        shutil.copytree(whole, place, symlinks=True, dirs_exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        whole.rename(place)


def _caches(instruction: Instruction) -> list[str]:
    """Return the folders that a RUN keeps between builds."""
    found = []
    for option in instruction.options:
        fields = dict(
            field.split("=", 1) for field in option.removeprefix("--mount=").split(",")
        )
        if fields.get("type") != "cache":
            raise ValueError(f"{option} is not replayed here")
        found.append(fields["target"])
    return found
