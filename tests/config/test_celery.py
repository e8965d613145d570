"""Whoever sends a message sends it to the broker of the settings."""

import threading

from celery import current_app
from django.conf import settings


def test_each_thread_of_the_web_process_has_our_application() -> None:
    """One that Celery makes up itself would ask for a broker that is not there."""
    seen: list[tuple[str, str]] = []

    def look() -> None:
        seen.append((str(current_app.main), str(current_app.conf.broker_url)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [("tollgate", settings.CELERY_BROKER_URL)]
