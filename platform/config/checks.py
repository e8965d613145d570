"""System checks: settings that are each right and together are not.

The first runs before every command of manage.py and stops it; the others are for
`check --deploy`, which is for installations that others can reach. What only the
database can tell is asked with `check --deploy --database operator`. What is no secret
has stopped every process before any of them runs: `config.secret_rules`.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.http.request import validate_host

from config import demo
from kit.orm.roles import OPERATOR, as_operator


@register(Tags.security)
def roles_are_apart(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Refuse a role that logs in as another: policies hold per user."""
    users = {alias: each["USER"] for alias, each in settings.DATABASES.items()}
    if len(set(users.values())) == len(users):
        return []
    listed = ", ".join(f"{alias}: {user}" for alias, user in sorted(users.items()))
    return [
        Error(
            f"Two database roles log in as the same user ({listed}).",
            hint="Give DATABASE_APP_URL and DATABASE_OPERATOR_URL users of their own, "
            "or leave both out.",
            id="tollgate.E001",
        )
    ]


@register(Tags.security, deploy=True)
def hosts_are_named(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Refuse to answer under any name: links in pages are made of it."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Error(
            "ALLOWED_HOSTS allows every host.",
            hint="Name the hosts that people use.",
            id="tollgate.E004",
        )
    ]


@register(Tags.security, deploy=True)
def webhooks_go_out(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Refuse to call this machine, where tenants name who is called."""
    if not settings.WEBHOOK_HTTP_LOOPBACK:
        return []
    return [
        Error(
            "Webhooks may call this machine (WEBHOOK_HTTP_LOOPBACK).",
            hint="It is for rehearsals: leave it out.",
            id="tollgate.E006",
        )
    ]


@register(Tags.security, deploy=True)
def operators_show_two_factors(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Refuse operators who sign in with a password alone."""
    if settings.SECOND_FACTOR_REQUIRED:
        return []
    return [
        Error(
            "Operators may sign in without a second factor.",
            hint="Leave SECOND_FACTOR out, or set it to required.",
            id="tollgate.E005",
        )
    ]


@register(Tags.security, deploy=True)
def mail_is_sent(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Warn where nobody could be invited, or the links would lie in a folder."""
    if settings.EMAIL_IS_SET and not settings.EMAIL_FILE_PATH:
        return []
    return [
        checks.Warning(
            "No mail is sent: nobody can be invited or get a new password.",
            hint="Set EMAIL_HOST, and no EMAIL_FOLDER.",
            id="tollgate.W004",
        )
    ]


@register(Tags.database, deploy=True)
def demo_is_elsewhere(
    app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Warn of the demo's operator: its password stands in a file."""
    if OPERATOR not in (databases or ()):
        return []
    with as_operator():
        users = get_user_model().objects.filter(username=demo.OPERATOR, is_active=True)
        if not users.exists():
            return []
    return [
        checks.Warning(
            f"The demo's account '{demo.OPERATOR}' can sign in.",
            hint="Deactivate it: its password was written to demo.env.",
            id="tollgate.W003",
        )
    ]


@register(Tags.security, deploy=True)
def people_can_sign_in(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Warn of an address at which nobody could sign in."""
    address = urlsplit(settings.PUBLIC_URL)
    found: list[CheckMessage] = []
    if not validate_host(address.hostname or "", settings.ALLOWED_HOSTS):
        found.append(
            checks.Warning(
                f"The host of PUBLIC_URL ({address.hostname}) is not answered.",
                hint="Add it to ALLOWED_HOSTS.",
                id="tollgate.W001",
            )
        )
    if settings.SESSION_COOKIE_SECURE and address.scheme != "https":
        found.append(
            checks.Warning(
                "Cookies are sent over https only, and PUBLIC_URL is not https.",
                hint="Put TLS in front and name its address in PUBLIC_URL.",
                id="tollgate.W002",
            )
        )
    return found
