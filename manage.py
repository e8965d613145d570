#!/usr/bin/env python
"""Run one of Tollgate's commands; `help` lists them.

Beside a product that `make up` runs from here, its settings are taken over: those of
the environment come first.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def borrow_settings() -> None:
    """Take over the settings of the product in `STATE_DIR`, where there is one."""
    state = Path(os.environ.get("STATE_DIR", ROOT / ".tollgate"))
    if not os.access(state / "product.env", os.R_OK):
        return
    for line in (state / "product.env").read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)


if __name__ == "__main__":
    sys.path.insert(1, str(ROOT / "platform"))
    if sys.argv[1:2] == ["rate"]:
        # Arithmetic: it runs where nothing is set, nor installed but Python.
        from metering.pricing.components import command

        sys.exit(command.main(sys.argv[2:]))
    borrow_settings()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from kit.acting import Actor, ActorKind, acting_as

    # Whatever a command changes, the audit says that it was one.
    with acting_as(Actor(ActorKind.COMMAND)):
        execute_from_command_line(sys.argv)
