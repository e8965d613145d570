"""A worker that completes a purchase and kills itself at a chosen statement."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from kit.orm.roles import OPERATOR, as_operator  # noqa: E402
from metering.collection.buying.completing import complete  # noqa: E402
from metering.collection.models import Purchase  # noqa: E402
from metering.usage.selectors import database_now  # noqa: E402
from tests.databases import Database, pointed_at  # noqa: E402
from tests.metering.collection.buying.scene import paid  # noqa: E402

# Behind one of these nothing is written yet that was not before it.
_READS = ("SAVEPOINT", "RELEASE", 'SELECT "', "SELECT 1 ")


@dataclass(frozen=True, slots=True)
class Completion:
    """Complete one purchase, and die behind the `nth` write; 0 lives."""

    database: Database
    purchase_id: int
    nth: int = 0


def started(work: Completion) -> BaseProcess:
    """Start a worker on this."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(work,))
    process.start()
    return process


def _run(work: Completion) -> None:
    settings.STRIPE_API_KEY = "sk_test_any"
    done = 0

    def deadly(execute: Callable[..., Any], statement: str, *more: Any) -> Any:
        nonlocal done
        result = execute(statement, *more)
        done += not statement.lstrip().startswith(_READS)
        if done == work.nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    with pointed_at(work.database), as_operator():
        purchase = Purchase.objects.get(pk=work.purchase_id)
        now = database_now()
        with connections[OPERATOR].execute_wrapper(deadly):
            complete(purchase=purchase, found=paid(purchase), now=now)
