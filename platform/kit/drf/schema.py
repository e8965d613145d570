"""The OpenAPI document: ids people can call, and the errors every operation has.

Views say what they take and return; what holds for all of them is added here once.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What to change."},
                "type": {"type": "string", "examples": ["invalid_request_error"]},
                "param": {
                    "type": ["string", "null"],
                    "description": "The field or filter that the error is about.",
                },
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_ERRORS = {
    "400": ("InvalidRequest", "The request is wrong; `param` names what."),
    "401": ("Unauthenticated", "The operator token is missing or wrong."),
    "404": ("NotFound", "There is no such object."),
    "409": ("Conflict", "The state of the object forbids this."),
}
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_VERBS = {"retrieve": "retrieve", "create": "create", "partial_update": "update"}


class OperatorTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the operator's bearer token."""

    target_class = "kit.drf.authentication.OperatorToken"
    name = "operatorToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The installation's OPERATOR_TOKEN.",
        }


class ManagementSchema(AutoSchema):
    """Name operations after what they do: `list_tenants`, `revoke_key`.

    A view's docstring gives the summary by its first line and the description by the
    rest.
    """

    def get_operation_id(self) -> str:
        """Return the operation's id, from the view's noun and action."""
        noun = getattr(self.view, "noun", None)
        action = getattr(self.view, "action", None)
        if noun is None or action is None:
            return str(super().get_operation_id())
        if action == "list":
            return f"list_{noun}s"
        return f"{_VERBS.get(action, action)}_{noun}"

    def get_summary(self) -> str:
        """Return the docstring's first line."""
        return str(super().get_description()).partition("\n")[0].removesuffix(".")

    def get_description(self) -> str:  # type: ignore[override]
        """Return what the docstring says beyond its first line."""
        return str(super().get_description()).partition("\n")[2].strip()

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Name a component after what it is: `TenantOutput` is a Tenant."""
        name = str(super().get_serializer_name(serializer, direction))
        return name.removesuffix("Output")

    def get_paginated_name(self, serializer_name: str) -> str:
        """Name a page after its rows."""
        return f"{serializer_name}Page"


class ManagementSchemaGenerator(SchemaGenerator):
    """Add the errors, and what the groups of operations are about."""

    tag_descriptions: ClassVar[Mapping[str, str]] = {}

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """Return the whole document."""
        document: dict[str, Any] = super().get_schema(request, public)  # type: ignore[no-untyped-call]
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
        components["responses"] = {
            name: _error_response(description) for name, description in _ERRORS.values()
        }
        used = set()
        for path, item in document["paths"].items():
            for method in _METHODS & item.keys():
                used.update(item[method].get("tags", ()))
                _add_errors(path, method, item[method])
        document["tags"] = [
            {"name": name, "description": description}
            for name, description in self.tag_descriptions.items()
            if name in used
        ]
        return document


def _error_response(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }


def _add_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    possible = {"401"}
    if operation.get("parameters") or operation.get("requestBody"):
        possible.add("400")
    if "{" in path:
        possible.add("404")
    if method != "get":
        possible.add("409")
    for status in sorted(possible):
        name = _ERRORS[status][0]
        operation["responses"].setdefault(
            status, {"$ref": f"#/components/responses/{name}"}
        )
