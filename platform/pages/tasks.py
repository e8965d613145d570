"""Tasks of the pages: an idempotent scan each."""

import structlog
from celery import shared_task
from django.utils import timezone

from kit.orm.roles import as_operator
from pages.accounts import forgetting

log = structlog.get_logger(__name__)


@shared_task(name="pages.forget_sign_ins")
def forget_sign_ins() -> None:
    """Delete addresses and sessions that are not needed any more."""
    with as_operator():
        rows = forgetting.forget_sign_ins(now=timezone.now())
    if rows:
        log.info("sign_ins_forgotten", rows=rows)
