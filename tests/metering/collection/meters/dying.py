"""A worker that notes and tells use, and kills itself at a chosen statement."""

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
from metering.collection.meters.noting import note_use  # noqa: E402
from metering.collection.meters.telling import tell_use  # noqa: E402
from metering.usage.selectors import database_now  # noqa: E402
from tests.databases import Database, pointed_at  # noqa: E402

_READS = ("SAVEPOINT", "RELEASE", 'SELECT "', "SELECT 1 ")


@dataclass(frozen=True, slots=True)
class Work:
    """Note and tell, and die behind the `nth` write; 0 lives."""

    database: Database
    stripe_url: str
    nth: int = 0


def started(work: Work) -> BaseProcess:
    """Start a worker on this."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(work,))
    process.start()
    return process


def _run(work: Work) -> None:
    settings.BILLING_PROVIDER = "stripe"
    settings.STRIPE_API_KEY = "sk_test_any"
    settings.STRIPE_API_BASE = work.stripe_url
    settings.STRIPE_METER_EVENTS = True
    # A statement is counted where it is made.
    settings.STRIPE_CONCURRENCY = 1 if work.nth else 4
    done = 0

    def deadly(execute: Callable[..., Any], statement: str, *more: Any) -> Any:
        nonlocal done
        result = execute(statement, *more)
        done += not statement.lstrip().startswith(_READS)
        if work.nth and done == work.nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    with pointed_at(work.database), as_operator():
        now = database_now()
        with connections[OPERATOR].execute_wrapper(deadly):
            note_use(now=now)
            tell_use(now=now)
