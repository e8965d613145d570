"""Celery tasks of the control side: idempotent scans, safe to lose or repeat."""

import structlog
from celery import shared_task
from django.utils import timezone

from inference.control import live, publication, refusals
from inference.control.calibration import services as calibration
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


@shared_task(name=calibration.TASK)
def calibrate_models() -> None:
    """Ask the engines of each model whose prompts have no bound of its own yet."""
    with as_operator():
        calibration.calibrate_due(now=timezone.now())


@shared_task(name="control.forget_pulses")
def forget_pulses() -> None:
    """Forget what gateways have said that are gone."""
    with as_operator():
        live.forget(now=timezone.now())


@shared_task(name="control.forget_refusals")
def forget_refusals() -> None:
    """Forget how often requests were refused a month ago."""
    with as_operator():
        refusals.forget(now=timezone.now())
