"""The demo of `make up`: one tenant, its owner, one key, one model, one operator.

Everything goes through the services that operators use. Running it again changes only
what differs: another engine, a lost key. The file it writes is the only place where the
key's text, both people's passwords and the secret of the second factor can be read
again; without it they are made anew.

Failure: an engine that cannot be asked for its model raises `DemoError`.
"""

import base64
import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from django.conf import settings
from django.contrib.auth.models import User

from inference.control import selectors as control
from inference.control import services as serving
from inference.control.models import Replica, ServedModel, default_tasks
from kit import api_keys
from kit.errors import NotFound
from kit.orm import saving
from metering.pricing import selectors as pricing
from metering.pricing import services as prices
from pages.accounts import factors
from tenants import selectors, services
from tenants.models import ApiKey, Member, Project, Role, Tenant

TENANT, PROJECT, OPERATOR, BOOK = "demo", "default", "operator", "Demo prices"
OWNER = "owner"
CONTEXT_TOKENS = 8192
QUOTES = {
    "input_per_million": "0.50",
    "cached_input_per_million": "0.05",
    "output_per_million": "1.50",
}
ENGINE_SECONDS_MAX = 10.0


class DemoError(Exception):
    """The demo cannot be set up; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What to put behind the demo: an engine's address, dialect and model."""

    url: str
    dialect: str
    model: str
    context_tokens: int
    tokenizer: str = ""
    tasks: tuple[str, ...] = tuple(default_tasks())


@dataclass(frozen=True, slots=True)
class Demo:
    """What a client of the demo needs to know."""

    api_key: str
    model: str
    admin_user: str
    admin_password: str
    admin_totp_secret: str
    console_user: str
    console_password: str


def find_engine(*, url: str, dialect: str, model: str) -> Engine:
    """Ask the engine which models it has and how long a context it takes.

    Raises `DemoError` when it does not answer and `model` does not say what to serve.
    """
    base = url.rstrip("/").removesuffix("/v1")
    listed: list[Mapping[str, object]] = []
    try:
        with httpx.Client(trust_env=False, timeout=ENGINE_SECONDS_MAX) as client:
            listed = client.get(f"{base}/v1/models").raise_for_status().json()["data"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        if not model:
            reason = f"{type(error).__name__}: set ENGINE_MODEL, or start it first"
            raise DemoError(f"ENGINE_URL: {base} lists no models: {reason}") from None
    by_name = {str(entry.get("id")): entry for entry in listed}
    chosen = model or next(iter(by_name), "")
    if not chosen:
        raise DemoError(f"ENGINE_URL: {base} has no model")
    length = by_name.get(chosen, {}).get("max_model_len")
    context_tokens = length if isinstance(length, int) else CONTEXT_TOKENS
    return Engine(
        url=base, dialect=dialect, model=chosen, context_tokens=context_tokens
    )


def seed(*, engine: Engine, known: Mapping[str, str], now: dt.datetime) -> Demo:
    """Make what is missing; `known` is the last run's file, whose secrets stay valid.

    Idempotent. Runs as the operator role.
    """
    tenant, project = _tenant()
    model = _model(engine)
    _price(tenant, model, now)
    password, secret = _operator(
        known.get("TOLLGATE_ADMIN_PASSWORD", ""),
        known.get("TOLLGATE_ADMIN_TOTP_SECRET", ""),
    )
    console_password = _owner(tenant, known.get("TOLLGATE_CONSOLE_PASSWORD", ""))
    return Demo(
        api_key=_key(tenant, project, known.get("OPENAI_API_KEY", ""), now),
        model=model.name,
        admin_user=OPERATOR,
        admin_password=password,
        admin_totp_secret=secret,
        console_user=OWNER,
        console_password=console_password,
    )


def _tenant() -> tuple[Tenant, Project]:
    try:
        tenant = selectors.tenant_by_slug(TENANT)
    except NotFound:
        tenant = services.create_tenant(slug=TENANT, name="Demo tenant")
    projects = selectors.projects(tenant_id=tenant.pk)
    # An archived one stays so, and takes no key any more.
    if project := projects.filter(archived_at=None).order_by("pk").first():
        return tenant, project
    slug = f"{PROJECT}-{projects.count() + 1}"
    project = services.create_project(tenant=tenant, slug=slug, name="Demo project")
    return tenant, project


def _key(tenant: Tenant, project: Project, known: str, now: dt.datetime) -> str:
    """Return the known key if it still opens the door, else a new one."""
    digest = api_keys.digest(known, settings.API_KEY_SECRET)
    rows = ApiKey.objects.for_tenant(tenant).active(now).filter(digest=digest)
    if rows.filter(project__archived_at=None).exists():
        return known
    return services.issue_key(tenant=tenant, project=project, name="Demo key").key


def _model(engine: Engine) -> ServedModel:
    """Serve the engine's model by its own name, and take other demo replicas away."""
    model = control.served_models(name=engine.model).first()
    if model is None:
        model = serving.create_model(
            name=engine.model,
            context_tokens=engine.context_tokens,
            tokenizer=engine.tokenizer,
            tasks=sorted(engine.tasks),
        )
    else:
        model = serving.update_model(
            model=model,
            context_tokens=engine.context_tokens,
            tokenizer=engine.tokenizer,
            tasks=sorted(engine.tasks),
        )
    name = f"demo-{model.pk}"
    for other in control.replicas(state=Replica.State.ACTIVE):
        if other.name.startswith("demo-") and other.name != name:
            serving.disable_replica(replica=other)
    replica = control.replicas(model=model.name).filter(name=name).first()
    if replica is None:
        serving.add_replica(
            model=model, name=name, url=engine.url, dialect=engine.dialect
        )
    else:
        serving.update_replica(replica=replica, url=engine.url, dialect=engine.dialect)
        serving.activate_replica(replica=replica)
    return model


def _price(tenant: Tenant, model: ServedModel, now: dt.datetime) -> None:
    """Give the model a price in the book that the tenant pays by, unless it has one."""
    try:
        book = pricing.book_of(tenant=tenant, at=now)
    except NotFound:
        book = prices.create_price_book(
            name=BOOK, currency=tenant.currency, is_default=True
        )
    latest = pricing.last_published(book=book)
    if latest is not None and latest.prices.filter(model=model.name).exists():
        return
    version = prices.draft_version(book=book, effective_at=now, copy_from=latest)
    prices.set_price(version=version, model=model.name, **QUOTES)
    prices.publish_version(version=version, now=now)


def _operator(password: str, secret: str) -> tuple[str, str]:
    """Return the operator's password and the secret of the codes.

    What is known stays if it still opens the door; otherwise it is made anew.
    """
    user = User.objects.filter(username=OPERATOR).first()
    if user is None:
        user = User.objects.create_superuser(username=OPERATOR)
    if not password or not user.check_password(password):
        password = password or secrets.token_urlsafe(18)
        user.set_password(password)
        user.save(update_fields=["password"])
    if not secret or factors.secret_of(user) != secret:
        secret = secret or base64.b32encode(secrets.token_bytes(20)).decode()
        factors.enrol(user=user, secret=secret)
    return password, secret


def _owner(tenant: Tenant, password: str) -> str:
    """Return the password of the demo's owner, who needs no second factor.

    One whose place was taken away gets none again: somebody wanted it so.
    """
    user, is_new = User.objects.get_or_create(username=OWNER)
    if not password or not user.check_password(password):
        password = password or secrets.token_urlsafe(18)
        user.set_password(password)
        user.save(update_fields=["password"])
    if is_new:
        row = Member(tenant=tenant, user=user, name="Demo owner", role=Role.OWNER)
        saving.create(row, action="join")
    return password
