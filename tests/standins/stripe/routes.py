"""What a route is: a method and path, the SDK's type of its parameters, and its work.

Each subject declares its own `ROUTES` beside its operations; `api` joins them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.contract import checked
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.expanding import expanded

Operation = Callable[[Account, dict[str, str], Json], Json]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path, the SDK's type of its parameters, and what it does."""

    method: str
    path: str
    declared: Any
    operation: Operation


@dataclass(frozen=True, slots=True)
class Call:
    """A routed request whose parameters were checked, ready to run."""

    route: Route
    parts: dict[str, str]
    params: Json

    def run(self, account: Account) -> Json:
        """Do what was asked, and show what came of it."""
        answer = self.route.operation(account, self.parts, self.params)
        return expanded(account, answer, self.params.get("expand", []))


class RouteTable:
    """Finds the route of a request; a fixed path goes before one with a name in it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        ordered = sorted(routes, key=lambda route: "{" in route.path)
        self._routes = [(route, _pattern(route.path)) for route in ordered]

    def found(self, method: str, path: str) -> Route:
        """Return the route of a request; raises `ApiError` when there is none."""
        return self._matched(method, path)[0]

    def call(self, method: str, path: str, params: Json) -> Call:
        """Find the route and check the parameters, before anything runs.

        Raises `ApiError`, which no idempotency key remembers.
        """
        route, parts = self._matched(method, path)
        return Call(route, parts, checked(params, route.declared))

    def _matched(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route, pattern in self._routes:
            found = pattern.fullmatch(path) if route.method == method else None
            if found is not None:
                return route, found.groupdict()
        raise ApiError(
            404, f"Unrecognized request URL ({method}: {path}).", stored=False
        )


def on_account(operation: Callable[[Account, Json], Json]) -> Operation:
    """Return a route's work that needs no name out of the path."""
    return lambda account, _, params: operation(account, params)


def on_object(operation: Callable[[Account, str, Json], Json]) -> Operation:
    """Return a route's work on the object that `{id}` in the path names."""
    return lambda account, parts, params: operation(account, parts["id"], params)


def on_object_alone(operation: Callable[[Account, str], Json]) -> Operation:
    """Return a route's work on the object of the path that heeds no parameters."""
    return lambda account, parts, _: operation(account, parts["id"])


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
