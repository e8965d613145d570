"""A worker process that kills itself, with no chance to clean up, at a chosen point.

Started through `multiprocessing`'s fork server, which has loaded this module and Django
once.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Literal

import django

django.setup()

from kit.orm.roles import as_operator  # noqa: E402
from metering.billing import operations, services  # noqa: E402
from metering.billing.models import Invoice  # noqa: E402
from metering.billing.providers.stripe.client import StripeAccount  # noqa: E402
from metering.billing.providers.stripe.provider import StripeProvider  # noqa: E402
from tests.databases import Database, pointed_at  # noqa: E402
from tests.metering.billing.providers.scene import NOW  # noqa: E402

Point = Literal["intent", "answer", "issued", "nowhere"]


@dataclass(frozen=True, slots=True)
class Work:
    """Advance one invoice, and die at the `nth` time that `point` is passed.

    `intent` lies between the committed intent and the call, `answer` between the call
    and its record, `issued` behind the transaction that numbers the invoice.
    """

    database: Database
    stripe_url: str
    invoice_id: int
    point: Point = "nowhere"
    nth: int = 1


def started(work: Work) -> BaseProcess:
    """Start a worker on this work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(work,))
    process.start()
    return process


def _run(work: Work) -> None:
    patched: dict[Point, tuple[Any, str]] = {
        "intent": (operations, "_intend"),
        "answer": (operations, "_finish"),
        "issued": (services, "issue_invoice"),
    }
    if work.point != "nowhere":
        module, name = patched[work.point]
        _die_at(module, name, nth=work.nth, before=work.point == "answer")
    account = StripeAccount(
        api_key="sk_test_any", api_base=work.stripe_url, network_retries_max=0
    )
    with pointed_at(work.database), as_operator():
        invoice = Invoice.objects.get(pk=work.invoice_id)
        StripeProvider(lambda _: account).advance(invoice, now=NOW)


def _die_at(module: Any, name: str, *, nth: int, before: bool) -> None:
    genuine: Callable[..., Any] = getattr(module, name)
    passed = 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal passed
        passed += 1
        if before and passed == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        result = genuine(*args, **kwargs)
        if passed == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, deadly)
