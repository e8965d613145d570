"""What both commands do around a run: carry it out, print it, and end with its status.

0: no difference. 1: differences. 2: wrong usage. 3: the books could not be checked.
"""

from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from metering.reconciliation import printing
from metering.reconciliation.models import Run

DIFFERS, WRONG_USAGE, NOT_CHECKED = 1, 2, 3


def carry_out(
    make: Callable[[], Run], options: dict[str, Any], stdout: OutputWrapper
) -> None:
    """Make a run and print it; raises `CommandError` unless the books agree."""
    try:
        run = make()
    except CommandError:
        raise
    except Exception as error:
        # Whatever kept the books from being checked, they were not found to differ.
        raise CommandError(
            f"the books could not be checked: {error}", returncode=NOT_CHECKED
        ) from error
    stdout.write(printing.as_json(run) if options["json"] else printing.as_text(run))
    if run.difference_count:
        raise CommandError(
            f"the books differ: {run.difference_count}", returncode=DIFFERS
        )
