"""Do in one process what `make up` does before its services start.

The schema, the roles' passwords and the demo, one after another: each is a command of
its own too, but a start of Python that loads the whole project costs more than most of
them do. Failure: that of the step, which ends it; every step can be repeated.
"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

STEPS = ("migrate", "set_role_passwords", "seed_demo")


class Command(BaseCommand):
    """`prepare`: idempotent, for every start of `make up`."""

    help = (
        "Migrate, set the roles' passwords and set up the demo, as `migrate`, "
        "`set_role_passwords` and `seed_demo` do."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Take the steps in turn."""
        for name in STEPS:
            call_command(name, stdout=self.stdout, stderr=self.stderr)
