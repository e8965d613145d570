"""The OpenAPI document: ids people can call, examples, and how each operation refuses.

Views say what they take and return, and which of their actions the state of an object
may forbid (`conflicting`); what follows from that is added here once. Serializers carry
one example each, and every operation shows those of what it takes and returns.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from kit.drf import idempotency, refusals, versions
from kit.drf.permissions import scope_of
from kit.scopes import OPERATORS

_Serializer = TypeVar("_Serializer", bound=type)


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "in": "header",
        "name": name,
        "description": description,
        "required": False,
        "schema": {"type": "string", **schema},
    }


_MEANINGS = {
    "200": "What was asked for, as it is now.",
    "201": "What was created, as it is now.",
}
_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_ETAG = {
    "description": "The object's version: what `If-Match` takes.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY = _header(
    idempotency.HEADER,
    "Makes the write happen once: sent again within "
    f"{idempotency.KEPT_HOURS} hours, the same request is given the same answer, with "
    f"`{idempotency.REPLAYED}: true`. A new UUID for each write does.",
    minLength=1,
    maxLength=idempotency.KEY_CHARS_MAX,
)
_IF_MATCH = _header(
    versions.IF_MATCH, "The ETag of the version to change; another one is a 412."
)
_IF_NONE_MATCH = _header(
    versions.IF_NONE_MATCH, "The ETag of a version already held; it is a 304."
)
_VERBS = {"retrieve": "retrieve", "create": "create", "partial_update": "update"}


def example(value: Any) -> Callable[[_Serializer], _Serializer]:
    """Show this value in the document wherever it shows the serializer."""
    found = [OpenApiExample("Example", value=value)]
    decorated: Callable[[_Serializer], _Serializer] = extend_schema_serializer(
        examples=found
    )
    return decorated


class BearerTokenSchemes(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the bearer tokens: either kind opens an operation."""

    target_class = "tenants.api.authentication.BearerToken"
    name = ["operatorToken", "tenantToken"]

    def get_security_requirement(
        self, auto_schema: AutoSchema
    ) -> list[dict[str, list[Any]]]:
        """Return who may call: operators alone where the scope is theirs."""
        scope = scope_of(auto_schema.view, auto_schema.method)
        kinds = self.name[:1] if scope in OPERATORS else self.name
        return [{kind: []} for kind in kinds]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        """Return the security schemes."""
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "An operator's token, `tgo_...`, or the installation's"
                " own OPERATOR_TOKEN: sees every tenant.",
            },
            {
                "type": "http",
                "scheme": "bearer",
                "description": "A tenant's token, `tgt_...`: sees that tenant alone,"
                " as if there were no other.",
            },
        ]


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
            return f"list_{noun}{'es' if noun.endswith('s') else 's'}"
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
        self._add_scope(operation)
        self._add_versions(operation)
        if self.method in _WRITES:
            _add_header(operation, _IDEMPOTENCY_KEY)
        forbidden = self._action in getattr(self.view, "conflicting", ())
        for status in refusals.possible(operation, is_conflicting=forbidden):
            responses.setdefault(status, refusals.reference(status))
        return operation

    @property
    def _action(self) -> str:
        return getattr(self.view, "action", None) or self.method.lower()

    def _add_scope(self, operation: dict[str, Any]) -> None:
        """Say which scope the operation takes, for people and for programs."""
        scope = scope_of(self.view, self.method)
        taken = f"Takes the scope `{scope}`." if scope else "Takes any token."
        said = operation.get("description", "")
        operation["description"] = f"{said}\n\n{taken}".strip()
        operation["x-scope"] = scope and str(scope)

    def _add_versions(self, operation: dict[str, Any]) -> None:
        """Say where versions are told, and where they may be named."""
        if self._action in versions.SHOWING:
            shown = operation["responses"]["200"]
            shown.setdefault("headers", {})[versions.HEADER] = _ETAG
        if self._action == "retrieve" and not getattr(self.view, "volatile", ()):
            _add_header(operation, _IF_NONE_MATCH)
            operation["responses"]["304"] = {
                "description": "It is the version that `If-None-Match` names."
            }
        # Addresses in the document name their parts otherwise than views do.
        found_by: Mapping[str, str] = getattr(self.view, "lock_by", {})
        on_one = getattr(self.view, "locks", None) is not None and (
            self.path.count("{") == len(found_by)
        )
        if self.method in _WRITES and on_one:
            _add_header(operation, _IF_MATCH)

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
        components.setdefault("schemas", {})["Problem"] = refusals.PROBLEM_SCHEMA
        components["responses"] = refusals.components()
        return document


def _add_header(operation: dict[str, Any], parameter: dict[str, Any]) -> None:
    operation.setdefault("parameters", []).append(parameter)
