"""List every setting of every process: name, type, default, meaning."""

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any, get_args

from django.core.management.base import BaseCommand
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config.env import GROUPS
from config.env_base import Settings
from config.local.settings import UpSettings


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable; the default of a secret is never shown."""

    name: str
    type: str
    default: str | None
    required: bool
    secret: bool
    group: str
    description: str


class Command(BaseCommand):
    """`settings [--json]`; shows no value in force, so it can be pasted anywhere."""

    help = "List every environment variable with its type, default and meaning."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the form of the answer."""
        parser.add_argument("--json", action="store_true", help="answer with JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the list."""
        listed = variables()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in listed], indent=2))
            return
        group = ""
        for one in listed:
            if one.group != group:
                group = one.group
                self.stdout.write(f"\n{group}")
            self.stdout.write(f"  {one.name}  ({_about(one)})")
            self.stdout.write(f"      {one.description}")


def variables() -> list[Variable]:
    """Return every variable once, in the order in which they are declared."""
    found: dict[str, Variable] = {}
    groups: tuple[type[Settings], ...] = (*GROUPS, UpSettings)
    for group in groups:
        for name, field in group.model_fields.items():
            found.setdefault(name, _variable(group, name, field))
    return list(found.values())


def _variable(group: type[Settings], name: str, field: FieldInfo) -> Variable:
    secret = field.annotation is SecretStr
    required = field.is_required()
    return Variable(
        name=name.upper(),
        type=_type_name(field.annotation),
        default=None if required or secret else str(field.default),
        required=required,
        secret=secret,
        group=(group.__doc__ or "").partition("\n")[0],
        description=field.description or "",
    )


def _type_name(annotation: Any) -> str:
    if annotation is SecretStr:
        return "secret"
    if choices := get_args(annotation):
        return " | ".join(map(str, choices))
    return str(getattr(annotation, "__name__", annotation))


def _about(variable: Variable) -> str:
    if variable.required:
        return f"{variable.type}, required"
    if variable.default is None:
        return variable.type
    return f"{variable.type}, default {variable.default or 'empty'}"
