"""Set up the demo tenant of `make up` and write down what its clients need."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config import demo
from config.env import DatabaseSettings, load
from config.local.settings import SIMULATED_MODEL, UpSettings
from config.local.state import read_env, write_env
from inference.openai.tasks import Task
from kit.errors import PlatformError
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator


class Command(BaseCommand):
    """`seed_demo [--file .tollgate/demo.env]`."""

    help = (
        "Make the demo's tenant, key, model, price and operator, as far as they are "
        "missing, and write demo.env. ENGINE_URL, ENGINE_MODEL and ENGINE_DIALECT say "
        "which engine serves it."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument(
            "--file",
            type=Path,
            help="where to write, and to look for the last run's (STATE_DIR/demo.env)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, then write the file."""
        up = load(UpSettings)
        file = options["file"] or up.state_dir / "demo.env"
        try:
            engine = demo.find_engine(
                url=up.engine_url, dialect=up.engine_dialect, model=up.engine_model
            )
            engine = replace(engine, tokenizer=up.engine_tokenizer)
            if engine.model == SIMULATED_MODEL:
                engine = replace(engine, tasks=tuple(task.value for task in Task))
            with as_operator(), atomic():
                made = demo.seed(
                    engine=engine, known=read_env(file), now=timezone.now()
                )
        except (demo.DemoError, PlatformError) as error:
            raise CommandError(str(error)) from None
        write_env(file, _as_env(made))
        self.stdout.write(f"{made.model} is served to the demo tenant: {file}")


def _as_env(made: demo.Demo) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": f"{settings.PUBLIC_URL}/v1",
        "OPENAI_API_KEY": made.api_key,
        "TOLLGATE_MODEL": made.model,
        "TOLLGATE_URL": settings.PUBLIC_URL,
        "TOLLGATE_ADMIN_USER": made.admin_user,
        "TOLLGATE_ADMIN_PASSWORD": made.admin_password,
        "TOLLGATE_ADMIN_TOTP_SECRET": made.admin_totp_secret,
        "TOLLGATE_CONSOLE_USER": made.console_user,
        "TOLLGATE_CONSOLE_PASSWORD": made.console_password,
        "TOLLGATE_OPERATOR_TOKEN": settings.OPERATOR_TOKEN,
        "DATABASE_URL": load(DatabaseSettings).database_url,
    }
