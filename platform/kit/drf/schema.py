"""The OpenAPI document: ids people can call, examples, and how each operation refuses.

Views say what they take and return, and which of their actions the state of an object
may forbid (`conflicting`); what follows from that is added here once. Serializers carry
one example each, and every operation shows those of what it takes and returns.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from kit.drf.errors import error_body

_Serializer = TypeVar("_Serializer", bound=type)

_ERROR_SCHEMA = {
    "type": "object",
    "description": "Why a request was refused, as the gateway says it too.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What to change."},
                "type": {
                    "type": "string",
                    "enum": [
                        "invalid_request_error",
                        "permission_error",
                        "server_error",
                    ],
                },
                "param": {
                    "type": ["string", "null"],
                    "description": "The field or filter that the error is about.",
                },
                "code": {
                    "type": ["string", "null"],
                    "description": "What is wrong, for programs.",
                },
            },
        }
    },
}


def _refusal(message: str, code: str, param: str | None = None) -> Any:
    return error_body(message, type_="invalid_request_error", param=param, code=code)


# Status -> component, what it means, and an example of it.
_REFUSALS = {
    "400": (
        "InvalidRequest",
        "The request is wrong; `param` names what.",
        _refusal("This field may not be blank.", "blank", "name"),
    ),
    "401": (
        "Unauthenticated",
        "The operator token is missing or wrong.",
        _refusal("This is not the operator token.", "invalid_token"),
    ),
    "404": (
        "NotFound",
        "There is no such object.",
        _refusal("There is no tenant 42.", "not_found"),
    ),
    "409": (
        "Conflict",
        "The state of the object, or another one, forbids this.",
        _refusal(
            "There is already a tenant with this slug. Choose another slug.",
            "conflict",
            "slug",
        ),
    ),
    "415": (
        "UnsupportedMediaType",
        "The body is not JSON.",
        _refusal(
            'Unsupported media type "text/plain" in request.', "unsupported_media_type"
        ),
    ),
    "default": (
        "Refusal",
        "Whatever else is refused, or fails on our side, says so in the same shape.",
        error_body(
            "Something went wrong on our side.",
            type_="server_error",
            code="internal_error",
        ),
    ),
}
_MEANINGS = {
    "200": "What was asked for, as it is now.",
    "201": "What was created, as it is now.",
}
_VERBS = {"retrieve": "retrieve", "create": "create", "partial_update": "update"}


def example(value: Any) -> Callable[[_Serializer], _Serializer]:
    """Show this value in the document wherever it shows the serializer."""
    found = [OpenApiExample("Example", value=value)]
    decorated: Callable[[_Serializer], _Serializer] = extend_schema_serializer(
        examples=found
    )
    return decorated


class OperatorTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the operator's bearer token."""

    target_class = "tenants.api.authentication.BearerToken"
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

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation, with the refusals that it can answer with."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        for status, meaning in _MEANINGS.items():
            if status in responses and not responses[status]["description"]:
                responses[status]["description"] = meaning
        action = getattr(self.view, "action", None) or self.method.lower()
        forbidden = action in getattr(self.view, "conflicting", ())
        for status in _possible(operation, is_conflicting=forbidden):
            name = _REFUSALS[status][0]
            responses.setdefault(status, {"$ref": f"#/components/responses/{name}"})
        return operation

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Name a component after what it is: `TenantOutput` is a Tenant."""
        name = str(super().get_serializer_name(serializer, direction))
        return name.removesuffix("Output").removesuffix("Input")

    def get_paginated_name(self, serializer_name: str) -> str:
        """Name a page after its rows."""
        return f"{serializer_name}Page"


class ManagementSchemaGenerator(SchemaGenerator):
    """Add what all operations share: the error and the answers that carry it."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """Return the whole document."""
        document: dict[str, Any] = super().get_schema(request, public)  # type: ignore[no-untyped-call]
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
        components["responses"] = {
            name: {
                "description": meaning,
                "content": {
                    "application/json": {
                        "schema": {"$ref": "#/components/schemas/Error"},
                        "examples": {"Example": {"value": body}},
                    }
                },
            }
            for name, meaning, body in _REFUSALS.values()
        }
        return document


def _possible(operation: dict[str, Any], *, is_conflicting: bool) -> Collection[str]:
    """Return the statuses that an operation can refuse with."""
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    has_body = "requestBody" in operation
    applies = {
        "400": has_body or "query" in places,
        "401": True,
        "404": "path" in places,
        "409": is_conflicting,
        "415": has_body,
        "default": True,
    }
    return [status for status, is_possible in applies.items() if is_possible]
