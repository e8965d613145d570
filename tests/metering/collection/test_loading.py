"""A process that only answers requests, or has nothing to do, holds no SDK."""

import subprocess
import sys

_LOADED = """
import django
django.setup()
import config.urls, metering.collection.tasks, metering.collection.api.urls
import sys
print("stripe" in sys.modules)
"""


def test_the_sdk_is_not_loaded_until_somebody_is_called() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
