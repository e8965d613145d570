"""Take the second factor from somebody who lost it."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from pages.accounts import factors
from pages.management.account import account


class Command(BaseCommand):
    """`reset_second_factor USER [--yes]`."""

    help = (
        "Remove an account's authenticator app and recovery codes and end its "
        "sessions. Make sure first that it is the person who asks."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the account, and whether to ask."""
        parser.add_argument("user", help="the account's name or e-mail address")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, then reset."""
        with as_operator(), atomic():
            user = account(options["user"])
            name = user.get_username()
            if not options["yes"] and not _agreed(name):
                raise CommandError("nothing was changed")
            count = factors.reset(user=user)
        told = "had no second factor" if not count else "signs in by password alone"
        self.stdout.write(f"{name} {told}; operators set up a new one at once")


def _agreed(name: str) -> bool:
    question = f"Whoever knows the password of {name} can sign in then. Type the name: "
    try:
        return input(question).strip() == name
    except EOFError:
        return False
