"""A process that calls a provider from several threads, each as fast as it may."""

import multiprocessing
import threading
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

import django

django.setup()

from django.db import connections  # noqa: E402

from metering.billing.limiting import Pace  # noqa: E402
from metering.billing.providers.stripe.client import StripeAccount  # noqa: E402
from tests.databases import Database, pointed_at  # noqa: E402


@dataclass(frozen=True, slots=True)
class Calls:
    """How many reads are made, by how many threads."""

    database: Database
    url: str
    api_key: str
    threads: int
    each: int


def started(calls: Calls) -> BaseProcess:
    """Start a process that makes these calls."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(calls,))
    process.start()
    return process


def _run(calls: Calls) -> None:
    account = StripeAccount(
        api_key=calls.api_key,
        api_base=calls.url,
        network_retries_max=0,
        pace=Pace("default", account_per_s=80, endpoint_per_s=20),
    )

    def read() -> None:
        try:
            for _ in range(calls.each):
                account.invoices.read("in_0")
        finally:
            connections.close_all()

    with pointed_at(calls.database):
        threads = [threading.Thread(target=read) for _ in range(calls.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
