"""How long the pages of the admin take, as a superuser, in this process."""

import statistics
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.db import connections
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from kit.orm.roles import OPERATOR, as_operator
from tests.admin.pages import Page, every_page
from tests.factories.accounts import sign_in
from tests.factories.scale import seed

__all__ = ["Measured", "measure", "seed", "table"]

LIMIT_MS = 300.0
USERNAME = "measuring"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a page took: median milliseconds, queries, KiB of HTML."""

    name: str
    milliseconds: float
    queries: int
    kibibytes: int
    status: int

    @property
    def is_quick(self) -> bool:
        """Tell whether it answered, within the limit."""
        return self.status == HTTPStatus.OK and self.milliseconds <= LIMIT_MS


def measure(*, only: str = "", repeat: int = 5) -> list[Measured]:
    """Measure the pages whose name holds `only`; the slowest comes first."""
    with as_operator():
        user, _ = User.objects.get_or_create(
            username=USERNAME, defaults={"is_staff": True, "is_superuser": True}
        )
        request: Any = RequestFactory().get("/admin/")
        request.user = user
        client = Client(raise_request_exception=False, headers={"host": "localhost"})
        sign_in(client, user)
        chosen = [each for each in every_page(request) if only in each.name]
        measured = [_measure(client, each, repeat=repeat) for each in chosen]
    return sorted(measured, key=lambda each: each.milliseconds, reverse=True)


def table(measured: list[Measured]) -> str:
    """Return the figures a page a line, and how many are too slow."""
    lines = [
        f"{each.milliseconds:8.1f} ms {each.queries:3d} queries {each.kibibytes:5d} KiB"
        f" {each.status} {each.name}"
        for each in measured
    ]
    slow = sum(not each.is_quick for each in measured)
    lines.append(f"{len(measured)} pages, {slow} not answered within {LIMIT_MS:.0f} ms")
    return "\n".join(lines) + "\n"


def _measure(client: Client, page: Page, *, repeat: int) -> Measured:
    with CaptureQueriesContext(connections[OPERATOR]) as made:
        response = client.get(page.address)
    # Read now: the next request forgets what was captured.
    queries, taken = len(made), []
    for _ in range(repeat):
        started = time.perf_counter()
        client.get(page.address)
        taken.append((time.perf_counter() - started) * 1000)
    return Measured(
        name=page.name,
        milliseconds=statistics.median(taken),
        queries=queries,
        kibibytes=len(response.content) // 1024,
        status=response.status_code,
    )
