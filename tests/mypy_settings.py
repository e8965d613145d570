"""Django's settings for the type checker, which loads them but connects to nothing."""

import os
import secrets

os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
for _name in ("KEY_PEPPER", "OPERATOR_TOKEN", "SECRET_KEY"):
    os.environ.setdefault(_name, secrets.token_urlsafe(48))

from config.settings import *  # noqa: E402, F403
