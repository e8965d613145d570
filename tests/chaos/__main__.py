"""`make chaos`: set Django up for databases that do not exist yet, and hand over."""

import os
import secrets
import sys

import django


def settle_environment() -> None:
    """Set what Django's settings read, whatever the shell has."""
    for name in [name for name in os.environ if name.startswith("DATABASE_")]:
        del os.environ[name]
    os.environ.update(
        DATABASE_URL="postgresql://tollgate_owner@127.0.0.1:1/none_yet",
        DJANGO_SETTINGS_MODULE="config.settings",
        KEY_PEPPER=secrets.token_urlsafe(48),
        LOG_LEVEL="ERROR",
        OPERATOR_TOKEN=secrets.token_urlsafe(48),
        REDIS_URL="",
        SECRET_KEY=secrets.token_urlsafe(48),
        SECURE_COOKIES="false",
    )
    django.setup()


if __name__ == "__main__":
    settle_environment()
    from tests.chaos.command import main

    sys.exit(main(sys.argv[1:]))
