"""Every setting of every process: typed, documented, read once from the environment.

A wrong or missing value stops the start with one line that names the variable. Gateways
read this module too, so it imports no Django. `python manage.py settings` lists what is
here.
"""

import os
import socket
import sys
from email.utils import getaddresses
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator

from config.addresses import with_user
from config.env_base import Settings, networks_listed
from config.env_billing import BillingSettings
from config.env_engines import EngineSettings
from config.env_inputs import InputSettings
from config.secret_rules import require_secret
from kit.networks import Network


class DatabaseSettings(Settings):
    """PostgreSQL, one login per role."""

    database_url: str = Field(
        description="PostgreSQL as the owner role, e.g. postgresql://owner:secret@db/tollgate; "
        "used by migrations, and the pattern for the other roles' addresses.",
    )
    database_app_url: str = Field(
        "", description="As tollgate_app; by default DATABASE_URL with that user."
    )
    database_operator_url: str = Field(
        "", description="As tollgate_operator; by default likewise."
    )
    database_gateway_url: str = Field(
        "", description="As tollgate_gateway; by default likewise."
    )
    database_direct_url: str = Field(
        "",
        description="As tollgate_gateway and never through a pooler, for LISTEN; by default DATABASE_GATEWAY_URL.",
    )

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: str) -> str:
        if urlsplit(value).scheme not in {"postgresql", "postgres"}:
            raise ValueError("give a postgresql:// address")
        return value

    def url_for(self, role: Literal["app", "operator", "gateway"]) -> str:
        """Return the address to log in at as `tollgate_<role>`."""
        explicit: str = getattr(self, f"database_{role}_url")
        return explicit or with_user(self.database_url, f"tollgate_{role}")

    @property
    def direct_url(self) -> str:
        """Return the address for sessions that must not pass a pooler."""
        return self.database_direct_url or self.url_for("gateway")


class SecretSettings(Settings):
    """Secrets; one that is none, such as an empty or a short one, stops the start."""

    key_pepper: SecretStr = Field(
        description="Keys the HMAC of API keys at rest. Changing it voids every key."
    )

    @field_validator("key_pepper")
    @classmethod
    def _is_secret(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        return _secret(value, info)


class GatewaySettings(EngineSettings):
    """The data plane."""

    gateway_name: str = Field(
        "",
        validate_default=True,
        description="Name of this gateway process, unique in the deployment; by default the host's.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        8000, ge=1, le=65535, description="Port to listen on; processes share it."
    )
    web_url: str = Field(
        "",
        description="Where Django answers, e.g. http://127.0.0.1:8001; the gateway passes on what is not its own. Empty: nothing is passed on.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of proxies in front, comma separated, whose"
        " X-Forwarded-For and X-Forwarded-Proto are believed.",
    )
    body_bytes_max: int = Field(
        8_388_608,
        gt=0,
        description="Largest request body. While one is read, other streams wait: some 7 ms for each MiB.",
    )
    journal_dir: Path = Field(
        Path("/var/lib/tollgate/journal"),
        description="Folder of this host for the journals of its gateways: what they owe PostgreSQL if they die. All gateways of a host share it.",
    )
    journal_slots: int = Field(
        65_536,
        ge=64,
        le=4_194_304,
        description="Requests of one gateway that may be unsettled at once; 256 bytes of JOURNAL_DIR each.",
    )
    database_away_ms: int = Field(
        500,
        ge=100,
        description="Silence of PostgreSQL after which endings are let go by the journal; after four times that, what needs a database is refused at once.",
    )
    settle_gap_ms: int = Field(
        5, ge=0, description="Longest pause between two group commits."
    )
    redis_url: str = Field(
        "",
        description="Valkey or Redis that the gateways count rate limits in and share replicas' slots by, a database of its own for each installation; empty: each for itself, which is right for one alone.",
    )
    rate_limiter_timeout_ms: int = Field(
        25,
        gt=0,
        description="How long a request waits for that store before its gateway limits by its own share, and asks an engine rather than the store for an answer.",
    )
    response_cache_bytes: int = Field(
        67_108_864,
        ge=0,
        description="Without that store: memory of one gateway for kept answers, of models that have a time to keep them.",
    )
    drain_ms: int = Field(
        30_000, ge=0, description="How long running streams may go on after SIGTERM."
    )

    @field_validator("gateway_name")
    @classmethod
    def _or_the_hosts(cls, value: str) -> str:
        # A container's is its id: scaled gateways have names of their own for nothing.
        return value or socket.gethostname()

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks_listed(value)
        return value


class WebSettings(Settings):
    """Django: the admin, the finance pages and the management API."""

    secret_key: SecretStr = Field(
        description="Signs sessions. Changing it signs everybody out."
    )
    debug: bool = Field(
        False,
        description="Show stack traces to the browser; never on a machine others reach.",
    )
    allowed_hosts: str = Field(
        "localhost,127.0.0.1",
        description="Host names that are answered, comma separated.",
    )
    csrf_trusted_origins: str = Field(
        "", description="Origins such as https://gate.example.com, comma separated."
    )
    secure_cookies: bool = Field(
        True,
        description="Send cookies over https only; off for plain http on loopback.",
    )
    operator_token: SecretStr = Field(
        description="Bearer token of operators for the management API."
    )
    static_root: str = Field(
        "",
        description="Folder that collectstatic fills; empty: files are served from where the packages keep them.",
    )
    redis_url: str = Field(
        "", description="Valkey or Redis, for the Celery broker; empty: no worker runs."
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="How people and invoices reach this installation.",
    )
    web_at_once: int = Field(
        20,
        ge=1,
        description="Requests that a web process works on at once; each takes up to two sessions of PostgreSQL.",
    )
    web_at_once_of_one: int = Field(
        8, ge=1, description="Of those, how many of one token, and of one address."
    )

    @field_validator("secret_key", "operator_token")
    @classmethod
    def _is_secret(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        return _secret(value, info)


class MailSettings(Settings):
    """Mails to people: invitations, and what has to do with their account."""

    email_host: str = Field(
        "",
        description="Mail server (SMTP). Empty, and without EMAIL_FOLDER: no mail is sent, and invitations wait.",
    )
    email_port: int = Field(587, ge=1, le=65535, description="Its port.")
    email_user: str = Field("", description="Who signs in there; empty: nobody does.")
    email_password: SecretStr = Field(SecretStr(""), description="With this password.")
    email_tls: Literal["starttls", "tls", "off"] = Field(
        "starttls",
        description="How the connection is kept secret: starttls (587), tls from the start (465), or off.",
    )
    email_from: str = Field(
        "Tollgate <tollgate@localhost>",
        description="Who the mails are from: an address, or Name <address>.",
    )
    email_folder: str = Field(
        "",
        description="Folder that mails are written into instead of being sent: for one machine alone.",
    )
    email_timeout_ms: int = Field(
        10_000, gt=0, description="Longest wait for the mail server."
    )

    @field_validator("email_from")
    @classmethod
    def _is_one_address(cls, value: str) -> str:
        found = getaddresses([value])
        if len(found) != 1 or "@" not in found[0][1] or not value.isprintable():
            raise ValueError("give an address, or Name <address>")
        return value


class AlertSettings(Settings):
    """Webhooks: whom this installation calls when a share of a budget is used."""

    webhook_networks_allowed: str = Field(
        "",
        description="Networks beside the public ones that endpoints may be in, comma separated; empty: none."
        " Tenants choose endpoints, so name nothing that tenants must not reach.",
    )
    webhook_http_loopback: bool = Field(
        False,
        description="Call endpoints on this machine by plain http too; for rehearsals alone.",
    )

    @field_validator("webhook_networks_allowed")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks_listed(value)
        return value

    @property
    def networks_allowed(self) -> tuple[Network, ...]:
        """Return the networks that are named."""
        return networks_listed(self.webhook_networks_allowed)


class ApiSettings(Settings):
    """The management API's own limits, per minute."""

    api_reads_per_minute: int = Field(
        1200,
        ge=1,
        description="Reads of one token that are answered in a minute; of all tokens of a tenant, five times as many.",
    )
    api_writes_per_minute: int = Field(
        300,
        ge=1,
        description="Writes of one token that are taken in a minute; of all tokens of a tenant, five times as many.",
    )
    api_failed_auth_per_minute: int = Field(
        600,
        ge=1,
        description="Wrong tokens of one address in a minute, after which they are answered with 429.",
    )


class LogSettings(Settings):
    """What every process writes to stderr."""

    log_style: Literal["json", "console"] = Field(
        "json", description="One JSON object a line, or key=value for eyes."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least that is written."
    )


class SignInSettings(Settings):
    """People who sign in: operators to the admin, members to the console."""

    second_factor: Literal["required", "optional"] = Field(
        "required",
        description="Whether operators must sign in with a second factor; optional is for rehearsals alone.",
    )
    sign_in_failures_max: int = Field(
        5, ge=1, description="Failures of one account from one address that lock it."
    )
    sign_in_failures_by_address_max: int = Field(
        50, ge=1, description="Failures of one address, of any account, that lock it."
    )
    sign_in_lock_minutes: int = Field(
        15, ge=1, description="How long failures count, and a lock lasts."
    )
    session_hours_max: int = Field(
        12, ge=1, description="Hours after which everybody has to sign in again."
    )
    session_idle_minutes: int = Field(
        30, ge=1, description="Minutes without a request after which a session ends."
    )


GROUPS: tuple[type[Settings], ...] = (
    DatabaseSettings,
    SecretSettings,
    GatewaySettings,
    InputSettings,
    WebSettings,
    SignInSettings,
    MailSettings,
    AlertSettings,
    BillingSettings,
    ApiSettings,
    LogSettings,
)

S = TypeVar("S", bound=Settings)


def names() -> tuple[str, ...]:
    """Return the names of all settings, as they stand in the environment."""
    return tuple(name.upper() for group in GROUPS for name in group.model_fields)


def load(group: type[S]) -> S:
    """Read one group from the environment; exit with one clear line when it is wrong."""
    try:
        return group()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else group.__name__
        reason = (
            "is not set"
            if first["type"] == "missing"
            else first["msg"].removeprefix("Value error, ")
        )
        sys.exit(f"tollgate: {name}: {reason}")


def _secret(value: SecretStr, info: ValidationInfo) -> SecretStr:
    # The groups that a process does not read may hold the same secret all the same.
    name = str(info.field_name).upper()
    require_secret(value.get_secret_value(), name=name, environment=os.environ)
    return value
