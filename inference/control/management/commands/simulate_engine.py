"""Run the simulator engine as a management command."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inference.engines.simulator import cli
from inference.engines.simulator.server import run
from inference.engines.simulator.settings import SettingsError


class Command(BaseCommand):
    """`simulate_engine --port 9000 --model sim`."""

    help = "Serve a simulated vLLM engine that answers in numbered tokens."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the simulator's own options."""
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal ends it."""
        try:
            run(cli.settings_from(argparse.Namespace(**options)))
        except (SettingsError, OSError) as refused:
            raise CommandError(str(refused)) from None
