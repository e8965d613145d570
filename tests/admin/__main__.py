"""Print how long each page of the admin takes at size, and how many queries it makes.

    DATABASE_URL=... python -m tests.admin [--seed] [--repeat 5] [--only tenants]

`--seed` fills the database first; give it an empty migrated one. Server time, of this
process: no network, no browser. Exits with 1 when a page is slower than the limit.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

LIMIT_MS = 300.0
CLIENT_NAME = "measuring"


def main() -> int:
    """Measure, print, and tell whether each page keeps within the limit."""
    arguments = _arguments()
    django.setup()
    from kit.orm.roles import as_operator

    if arguments.seed:
        from tests.factories.scale import seed

        seed(os.environ["DATABASE_URL"])
    with as_operator():
        measured = _measure(arguments)
    for milliseconds, queries, kibibytes, status, name in measured:
        print(f"{milliseconds:8.1f} {queries:5d} {kibibytes:6d} {status} {name}")  # noqa: T201
    slow = [each for each in measured if each[0] > LIMIT_MS or each[3] != 200]
    print(
        f"{len(measured)} pages, {len(slow)} slower than {LIMIT_MS:.0f} ms or not 200"
    )  # noqa: T201
    return 1 if slow else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", action="store_true", help="fill the database first")
    parser.add_argument("--repeat", type=int, default=5, help="times each (default: 5)")
    parser.add_argument("--only", default="", help="pages whose name holds this")
    return parser.parse_args()


def _measure(arguments: argparse.Namespace) -> list[tuple[float, int, int, int, str]]:
    """Return median milliseconds, queries, KiB, status and name, the slowest first."""
    from django.contrib.auth import get_user_model
    from django.db import connections
    from django.test import Client, RequestFactory
    from django.test.utils import CaptureQueriesContext

    from kit.orm.roles import OPERATOR
    from tests.admin.pages import every_page

    users = get_user_model()._default_manager
    user, _ = users.get_or_create(
        username=CLIENT_NAME, defaults={"is_staff": True, "is_superuser": True}
    )
    client = Client(raise_request_exception=False, headers={"host": "localhost"})
    client.force_login(user)
    request: Any = RequestFactory().get("/admin/")
    request.user = user
    found = []
    for page in every_page(request):
        if arguments.only not in page.name:
            continue
        with CaptureQueriesContext(connections[OPERATOR]) as made:
            response = client.get(page.address)
        taken = []
        for _ in range(arguments.repeat):
            started = time.perf_counter()
            client.get(page.address)
            taken.append((time.perf_counter() - started) * 1000)
        size = len(response.content) // 1024
        found.append(
            (statistics.median(taken), len(made), size, response.status_code, page.name)
        )
    return sorted(found, reverse=True)


if __name__ == "__main__":
    raise SystemExit(main())
