"""PostgreSQL, one connection alias per role."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from config.env import DatabaseSettings, load

_database = load(DatabaseSettings)

STATEMENT_TIMEOUT_MS = 60_000
OWNER_LOCK_TIMEOUT_MS = 2_000


def _alias(url: str, *, options: str = "") -> dict[str, Any]:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise SystemExit(f"tollgate: DATABASE_URL: {error}") from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "tollgate"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        # In the web process each request has a thread of its own: a session that is kept
        # would be found by no other request, and closed by nobody.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {**parts, "options": options} if options else dict(parts),
    }


# A long snapshot keeps dead rows of hot tables alive; nothing here needs one.
_patience = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=60000"

# Whoever waits for the lock that a change of a table takes is waited for by everybody
# who comes later, gateways too: it is better tried again.
_short = f"-c lock_timeout={OWNER_LOCK_TIMEOUT_MS}"

DATABASES = {
    "default": _alias(_database.url_for("app"), options=_patience),
    "operator": _alias(_database.url_for("operator"), options=_patience),
    "owner": _alias(_database.database_url, options=_short),
}
DATABASE_ROUTERS = ["kit.orm.roles.RoleRouter"]
