"""Celery tasks of the control side: idempotent scans, safe to lose or repeat."""

import structlog
from celery import shared_task

from inference.control import publication
from kit.orm.roles import as_operator

log = structlog.get_logger("tollgate.control")


@shared_task(name="control.republish")
def republish() -> None:
    """Mend what the gateways were not told."""
    with as_operator():
        mended = publication.republish()
    if mended:
        # Something wrote around the services: worth knowing, and already put right.
        log.warning("publication_mended", entries=mended)
