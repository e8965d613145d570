"""The OpenAPI document, read as a caller's tools read it."""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker

from kit.drf.schema import ManagementSchemaGenerator

# The words of paths whose rows are known by a UUID.
BY_UUID = frozenset({"requests"})
METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    body: dict[str, Any]

    @property
    def id(self) -> str:
        """Return its operationId."""
        return str(self.body["operationId"])

    def request(self) -> dict[str, Any] | None:
        """Return the schema and the examples of its body, or None without one."""
        body = self.body.get("requestBody")
        return None if body is None else dict(body["content"][JSON])

    def responses(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each status with the schema and the examples of its answer."""
        for status, response in self.body["responses"].items():
            # What refuses is a problem document, and 304 has no body.
            for media in resolved(response).get("content", {}).values():
                yield status, media


def content_of(response: Any) -> bytes:
    """Return the body of an answer, streamed or not."""
    if response.streaming:
        return b"".join(response.streaming_content)
    return bytes(response.content)


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    generator = ManagementSchemaGenerator()  # type: ignore[no-untyped-call]
    return generator.get_schema(public=True)


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations."""
    return tuple(
        Operation(method, path, item[method])
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    )


def at_number(path: str, number: int) -> str:
    """Fill the ids of a path with a number, or with a UUID that ends in it."""

    def id_of(match: re.Match[str]) -> str:
        word = match.group(1)
        uuid = f"019ab5f2-0b1c-7c1a-8f1e-{number:012}"
        return f"{word}/{uuid if word in BY_UUID else number}"

    return re.sub(r"([a-z-]+)/\{[^}]+\}", id_of, path)


def operation(name: str) -> Operation:
    """Return an operation by its id."""
    return next(each for each in operations() if each.id == name)


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the components."""
    if "$ref" not in node:
        return node
    found: Any = document()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def example_of(media: dict[str, Any]) -> Any:
    """Return the value of the first example."""
    return deepcopy(next(iter(media["examples"].values()))["value"])


def faults(value: Any, schema: dict[str, Any]) -> list[str]:
    """Return what of a value is not as the schema says; a field too many is a fault."""
    closed = {**_closed(schema), "components": _closed_components()}
    validator = OAS31Validator(closed, format_checker=oas31_format_checker)
    return [
        f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)
    ]


@cache
def _closed_components() -> dict[str, Any]:
    return {"schemas": _closed(document()["components"]["schemas"])}


def _closed(node: Any) -> Any:
    """Forbid, in all objects of a schema, properties that it does not name."""
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(value) for name, value in node.items()}
    if closed.get("type") == "object" and isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed
