"""Ask a model's engines how many tokens they make of prompts, now.

The worker does it by itself when a replica is added or changed; the command is for
those who do not want to wait, or who have changed an engine behind its address.
"""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from inference.control import selectors
from inference.control.calibration import services as calibration
from inference.control.models import Calibration
from kit.errors import PlatformError
from kit.orm.roles import as_operator


class Command(BaseCommand):
    """`calibrate_model demo`."""

    help = "Find how long a prompt of a model can be, by its engines' /tokenize."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the model, and the form of the answer."""
        parser.add_argument("name", help="the served model's public name")
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Calibrate and say what came of it; fails if no engine could be asked."""
        name = options["name"]
        try:
            with as_operator():
                model = selectors.served_models(name=name).first()
                if model is None:
                    raise CommandError(f"There is no served model {name}.")
                row = calibration.calibrate(model=model, now=timezone.now())
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        self.stdout.write(_as_json(row) if options["json"] else _as_text(row))
        if row.state == Calibration.State.FAILED:
            raise CommandError("no engine could be asked: what was in force stays")


def _as_json(row: Calibration) -> str:
    replicas = [
        {name: each[name] for name in ("name", "outcome", "said")}
        for each in row.replicas
    ]
    at = row.calibrated_at
    return json.dumps(
        {
            "model": row.model.name,
            "state": row.state,
            "factors": row.factors,
            "calibrated_at": at.isoformat() if at else None,
            "replicas": replicas,
        }
    )


def _as_text(row: Calibration) -> str:
    lines = [f"{row.model.name}: {row.state}"]
    lines += [f"  {each['name']} {each['said']}" for each in row.replicas]
    factors = row.factors
    if factors is None:
        lines.append("  the default factors hold, safe for byte-level tokenizers")
    else:
        lines += [f"  {name}: {value}" for name, value in factors.items()]
    return "\n".join(lines)
