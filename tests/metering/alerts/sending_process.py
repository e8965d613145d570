"""A worker process that calls what is due: to be killed while it does."""

import multiprocessing
from multiprocessing.process import BaseProcess

import django
from django.conf import settings

django.setup()

from kit.orm.roles import as_operator  # noqa: E402
from metering.alerts.calling import Reach  # noqa: E402
from metering.alerts.sending import call_webhooks  # noqa: E402
from tests.databases import Database, pointed_at  # noqa: E402
from tests.factories.alerts import NOW  # noqa: E402


def started(database: Database) -> BaseProcess:
    """Start a worker on this database."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    # Another test may have started the server of forks, with secrets of its own.
    process = context.Process(target=_run, args=(database, settings.WEBHOOK_SECRET_KEY))
    process.start()
    return process


def _run(database: Database, secret: bytes) -> None:
    settings.WEBHOOK_SECRET_KEY = secret
    with pointed_at(database), as_operator():
        call_webhooks(now=NOW, reach=Reach(http_loopback=True))
