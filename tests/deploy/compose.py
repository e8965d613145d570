"""compose.yaml as Docker reads it: variables put in, services as data.

Failure: a variable that must have a value and has none raises `MissingError`, as the
start would fail.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<rule>[-?])(?P<word>[^}]*))?\}")
_ASSIGNMENT = re.compile(r"^(#?)([A-Z_]+)=(.*)$", re.MULTILINE)


class MissingError(Exception):
    """A variable has no value; the text is its name."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its container would get it."""

    name: str
    options: Mapping[str, Any]

    @property
    def command(self) -> list[str]:
        """Return its command, in the exec form."""
        command: list[str] = self.options["command"]
        return command

    @property
    def environment(self) -> dict[str, str]:
        """Return its environment."""
        return dict(self.options.get("environment", {}))

    @property
    def is_ours(self) -> bool:
        """Tell whether it runs from our image."""
        return "build" in self.options

    @property
    def runs_once(self) -> bool:
        """Tell whether it has done its work when it ends."""
        return str(self.options["restart"]).startswith("on-failure")

    @property
    def networks(self) -> set[str]:
        """Return the names of the networks it is on."""
        return set(self.options["networks"])


def services(environment: Mapping[str, str]) -> dict[str, Service]:
    """Return every service by name; raises `MissingError`."""
    found = document(environment)["services"]
    return {name: Service(name, options) for name, options in found.items()}


def document(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the whole file with the variables of this environment."""
    text = (DEPLOY / "compose.yaml").read_text()
    content: dict[str, Any] = _filled(yaml.safe_load(text), environment)
    return content


def example() -> tuple[set[str], set[str]]:
    """Return the names of .env.example: those to fill in, and those to leave."""
    text = (DEPLOY / ".env.example").read_text()
    marks = {(name, mark) for mark, name, _ in _ASSIGNMENT.findall(text)}
    return {name for name, mark in marks if not mark}, {
        name for name, mark in marks if mark
    }


def asked() -> tuple[set[str], set[str]]:
    """Return the names that compose.yaml insists on, and those it can do without."""
    found = list(_VARIABLE.finditer((DEPLOY / "compose.yaml").read_text()))
    required = {match["name"] for match in found if match["rule"] == "?"}
    return required, {match["name"] for match in found if match["rule"] != "?"}


def filled_in() -> dict[str, str]:
    """Return the example's names with values, as somebody would fill them in."""
    required, _ = example()
    return {name: secrets.token_hex(32) for name in sorted(required)} | {
        "PUBLIC_HOST": "gate.example"
    }


def _filled(content: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(content, dict):
        return {key: _filled(value, environment) for key, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, environment) for value in content]
    if not isinstance(content, str):
        return content

    def _value(match: re.Match[str]) -> str:
        value = environment.get(match["name"], "")
        if not value and match["rule"] == "?":
            raise MissingError(match["name"])
        return value or (match["word"] if match["rule"] == "-" else "")

    return _VARIABLE.sub(_value, content)
