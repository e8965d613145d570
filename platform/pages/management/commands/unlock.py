"""Let somebody sign in again who failed too often."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from pages.accounts import lockout
from pages.management.account import account


class Command(BaseCommand):
    """`unlock USER`; what was failed with other accounts of an address stays."""

    help = "End the lock of an account: forget its failed passwords and codes."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the account."""
        parser.add_argument("user", help="the account's name or e-mail address")

    def handle(self, *args: Any, **options: Any) -> None:
        """Unlock the account."""
        with as_operator(), atomic():
            user = account(options["user"])
            failures = lockout.unlock(user=user)
        name = user.get_username()
        self.stdout.write(f"{name} can sign in: {failures} failures forgotten")
