"""The Dockerfile as data: stages of instructions, and what .dockerignore lets through.

It knows what ours uses and refuses the rest, so that a new instruction is noticed here
and not in production. Pure, but for the files it is given.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

KNOWN = {
    *("ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN"),
    *("STOPSIGNAL", "USER", "WORKDIR"),
}
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word, its options such as --from, and the rest."""

    word: str
    options: tuple[str, ...]
    value: str

    @property
    def exec_form(self) -> list[str] | None:
        """Return the command of the exec form, or nothing for a line of the shell."""
        start = self.value.find("[")
        is_exec = self.value.startswith("[") or self.value.startswith("CMD [")
        return json.loads(self.value[start:]) if is_exec else None


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and what follows it."""

    base: str
    name: str
    instructions: tuple[Instruction, ...]

    def last(self, word: str) -> Instruction:
        """Return the instruction of this word that is in force."""
        return [each for each in self.instructions if each.word == word][-1]

    def environment(self) -> dict[str, str]:
        """Return what ENV sets."""
        return {
            name: value
            for instruction in self.instructions
            if instruction.word == "ENV"
            for name, value in pairs(instruction.value)
        }


def read(file: Path) -> list[Stage]:
    """Read a Dockerfile; raises `ValueError` for what it does not know."""
    arguments: dict[str, str] = {}
    stages: list[tuple[str, str, list[Instruction]]] = []
    for instruction in _instructions(file.read_text()):
        if instruction.word == "FROM":
            base, _, name = expanded(instruction.value, arguments).partition(" AS ")
            stages.append((base, name, []))
        elif instruction.word == "ARG" and not stages:
            arguments |= dict(pairs(instruction.value))
        else:
            stages[-1][2].append(instruction)
    return [Stage(base, name, tuple(rest)) for base, name, rest in stages]


def pairs(value: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of ENV, ARG and LABEL."""
    for part in shlex.split(value):
        name, equals, content = part.partition("=")
        if equals:
            yield name, content


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Put in the values of variables; an unknown one is empty, as for Docker."""
    return _VARIABLE.sub(lambda match: known.get(match[1] or match[2], ""), text)


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word:
            continue
        if word not in KNOWN:
            raise ValueError(f"{word} is not replayed here")
        options = []
        words = rest.split()
        while words and words[0].startswith("--"):
            options.append(words.pop(0))
        yield Instruction(word, tuple(options), " ".join(words))


class Ignored:
    """What .dockerignore keeps out of the build: the last pattern that fits decides."""

    def __init__(self, text: str) -> None:
        lines = (line.strip() for line in text.splitlines())
        self._rules = [
            (_pattern(line.lstrip("!")), line.startswith("!"))
            for line in lines
            if line and not line.startswith("#")
        ]

    def lets_through(self, path: PurePosixPath) -> bool:
        """Tell whether a file is sent; a pattern that fits its folder fits it too."""
        places = [str(path), *(str(parent) for parent in path.parents[:-1])]
        through = True
        for pattern, is_exception in self._rules:
            if any(pattern.fullmatch(place) for place in places):
                through = is_exception
        return through


def _pattern(line: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", line.strip("/"))
    return re.compile(
        "".join(
            parts.get(token, token if token.startswith("[") else re.escape(token))
            for token in tokens
        )
    )
