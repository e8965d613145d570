"""What this process knows of keys, tenants, limits, models and replicas.

Followed from the table that the control side publishes into: at each announcement, and
every second besides, only entries with a newer version are read. Versions are given out
under a lock, so `version > seen` never skips one. Failure: without the database the
last state stays in force.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

import structlog
from psycopg import AsyncConnection

from inference.openai.media import TEXT_ONLY
from inference.openai.prompt_bound import DEFAULT, PromptBound
from inference.openai.tasks import GENERATING
from inference.routing.limit_rows import LimitRows
from inference.routing.model_rules import ModelRules
from inference.routing.serving import DEFAULT_SERVING, Priority, Serving
from kit.contracts import Caller
from kit.networks import Network, network_of
from kit.scopes import DATA_PLANE

CHANNEL = "tollgate_snapshot"
# When an announcement is lost, a revoked key goes on working for this long, and for as
# long as one look takes: together less than the second that is promised.
POLL_S = 0.5
# As many sequences as vLLM runs at once unless it is told otherwise.
SLOTS = 256

_NEWER = """
SELECT kind, key, version, body FROM control_publication
WHERE version > %(seen)s ORDER BY version
"""

log = structlog.get_logger("tollgate.routing")


class StopReason(StrEnum):
    """Why a caller whose request runs may not go on."""

    KEY_REVOKED = "key_revoked"
    TENANT_SUSPENDED = "tenant_suspended"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """An API key that opens the door, and what it opens.

    `models` is None and `networks` empty for a key that is not kept to any.
    """

    api_key_id: int
    project_id: int
    tenant_id: int
    expires_at_us: int | None
    scopes: frozenset[str]
    models: frozenset[str] | None
    networks: tuple[Network, ...]
    # The best class of requests that it may ask for.
    priority: Priority = Priority.DEFAULT


@dataclass(frozen=True, slots=True)
class TenantEntry:
    """A tenant, and whether it may call; on no plan it is on the default one.

    A prepaid one calls only while it has credit.
    """

    slug: str
    active: bool
    currency: str
    plan_id: int | None = None
    prepaid: bool = False


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A served model under its public name."""

    name: str
    context_tokens: int
    max_output_tokens: int | None
    created: int
    # What counts tokens where an engine does not; empty where nothing can.
    tokenizer: str
    # How many tokens a prompt can be, by its bytes.
    prompt_bound: PromptBound = DEFAULT
    # What its engines can be asked for.
    tasks: frozenset[str] = GENERATING
    # Of an adapter: the model whose replicas serve it, and what their engines call it.
    base: str | None = None
    adapter: str = ""
    # What it makes of requests; None where it takes them as they are.
    rules: ModelRules | None = None
    # How long its answers are kept; 0 for not at all.
    cache_s: int = 0
    # Which kinds of input its engines take.
    modalities: frozenset[str] = TEXT_ONLY
    serving: Serving = DEFAULT_SERVING
    # From when on its calls are refused, and what callers are told to call instead.
    retires_at_us: int | None = None
    successor: str = ""

    def is_retired(self, now_us: int) -> bool:
        """Tell whether its calls are refused by now."""
        return self.retires_at_us is not None and self.retires_at_us <= now_us


@dataclass(frozen=True, slots=True)
class ReplicaEntry:
    """One running engine process."""

    id: int
    model: str
    name: str
    url: str
    dialect: str
    upstream_model: str
    credential: str
    active: bool
    # How the credential is shown, and what the dialect wants to know besides.
    auth: str = "bearer"
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    # How many requests it is given at a time, by all gateways together; its share of
    # the work beside others; whether it is tried out on a part of them.
    slots: int = SLOTS
    weight: int = 100
    is_canary: bool = False


@dataclass(slots=True)
class Snapshot:
    """The state of the control side, by what it is looked up by."""

    version: int = 0
    keys: dict[str, KeyEntry] = field(default_factory=dict)
    keys_by_id: dict[int, KeyEntry] = field(default_factory=dict)
    tenants: dict[int, TenantEntry] = field(default_factory=dict)
    models: dict[str, ModelEntry] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    replicas: dict[int, ReplicaEntry] = field(default_factory=dict)
    replicas_by_model: dict[str, tuple[ReplicaEntry, ...]] = field(default_factory=dict)
    # Of models that others' replicas serve: whose.
    pools: dict[str, str] = field(default_factory=dict)
    limits: LimitRows = field(default_factory=LimitRows)
    is_loaded: bool = False

    def model(self, name: str) -> ModelEntry | None:
        """Return a served model by its own name or an alias; None without one."""
        entry = self.models.get(name)
        if entry is None and self.aliases:
            entry = self.models.get(self.aliases.get(name, ""))
        return entry

    def successor_of(self, entry: ModelEntry, *, now_us: int) -> str:
        """Return what to call in place of a model that retired; empty for nothing.

        Of several that retired one after the other, what the last one names.
        """
        found = self.models.get(entry.successor)
        for _ in self.models:
            if found is None or not found.is_retired(now_us):
                break
            found = self.models.get(found.successor)
        return "" if found is None or found.is_retired(now_us) else found.name

    def pool_of(self, model: str) -> str:
        """Return whose replicas serve a model: an adapter mostly shares its base's."""
        return self.pools.get(model, model)

    def stop_reason(self, caller: Caller, *, now_us: int) -> StopReason | None:
        """Tell why a caller may not go on; None when it may.

        Its key is revoked, disabled, expired or of an archived project, or its tenant
        is suspended. What else is taken from a key holds from the next request on.
        """
        key = self.keys_by_id.get(caller.api_key_id)
        tenant = self.tenants.get(caller.tenant_id)
        if key is None or tenant is None:
            return StopReason.KEY_REVOKED
        if key.expires_at_us is not None and key.expires_at_us <= now_us:
            return StopReason.KEY_REVOKED
        return None if tenant.active else StopReason.TENANT_SUSPENDED

    async def refresh(self, connection: AsyncConnection) -> None:
        """Read and apply what was published since the last time."""
        cursor = await connection.execute(_NEWER, {"seen": self.version})
        rows = await cursor.fetchall()
        for kind, key, version, body in rows:
            try:
                self.apply(kind, key, body)
            except (KeyError, TypeError, ValueError):
                # It must not hold up what comes after it, such as a revoked key.
                log.exception("publication_unreadable", kind=kind, version=version)
        if rows:
            # Several entries may carry one version: it is seen once all of them are in.
            self.version = rows[-1][2]
        self.is_loaded = True

    def apply(self, kind: str, key: str, body: Mapping[str, Any] | None) -> None:
        """Take in one published entry; a body of None removes it."""
        apply = _APPLY.get(kind)
        if apply is None:
            # A newer control side publishes kinds that this gateway does not know yet.
            log.warning("unknown_publication", kind=kind)
            return
        apply(self, key, body)


def _apply_key(snapshot: Snapshot, key: str, body: Mapping[str, Any] | None) -> None:
    # First, so that an entry that cannot be read leaves no older, wider one in force.
    before = snapshot.keys.pop(key, None)
    # Unless it is by another secret that the key is known by now.
    if before is not None and snapshot.keys_by_id.get(before.api_key_id) is before:
        del snapshot.keys_by_id[before.api_key_id]
    if body is None:
        return
    expires_at = body["expires_at"]
    models = body.get("models")
    entry = KeyEntry(
        api_key_id=body["api_key_id"],
        project_id=body["project_id"],
        tenant_id=body["tenant_id"],
        expires_at_us=None if expires_at is None else round(expires_at * 1_000_000),
        # A publication from before these were known is of a key that was not narrowed.
        scopes=_scopes(tuple(body.get("scopes", DATA_PLANE))),
        models=frozenset(models) if models else None,
        networks=tuple(network_of(text) for text in body.get("networks", ())),
        priority=Priority.of_published(body.get("priority", "")),
    )
    snapshot.keys[key] = snapshot.keys_by_id[entry.api_key_id] = entry


@lru_cache(maxsize=256)
def _scopes(scopes: tuple[str, ...]) -> frozenset[str]:
    """Share one set between the many keys that hold the same."""
    return frozenset(scopes)


def _apply_tenant(snapshot: Snapshot, key: str, body: Mapping[str, Any] | None) -> None:
    tenant_id = int(key)
    before = snapshot.tenants.get(tenant_id)
    if body is None:
        snapshot.tenants.pop(tenant_id, None)
    else:
        snapshot.tenants[tenant_id] = TenantEntry(
            slug=body["slug"],
            active=body["active"],
            currency=body["currency"],
            # A publication from before plans were known has none.
            plan_id=body.get("plan_id"),
            prepaid=body.get("prepaid", False),
        )
    if before is not None and before != snapshot.tenants.get(tenant_id):
        # Its plan, and how it pays, say which limits hold for it.
        snapshot.limits.touch(tenant_id)


def _apply_model(snapshot: Snapshot, key: str, body: Mapping[str, Any] | None) -> None:
    if body is None:
        snapshot.models.pop(key, None)
    else:
        snapshot.models[key] = _model(key, body)
    _place_replicas(snapshot, key)


def _model(key: str, body: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry(
        name=key,
        context_tokens=body["context_tokens"],
        max_output_tokens=body["max_output_tokens"],
        created=body["created"],
        # A publication from before these were known has none.
        tokenizer=body.get("tokenizer", ""),
        prompt_bound=PromptBound.of_published(body.get("prompt_bound")),
        tasks=frozenset(body["tasks"]) if body.get("tasks") else GENERATING,
        base=body.get("base"),
        adapter=body.get("adapter", ""),
        rules=ModelRules.of_published(body),
        cache_s=body.get("cache_s", 0),
        modalities=frozenset(body.get("modalities", TEXT_ONLY)),
        serving=Serving.of_published(body),
        retires_at_us=body["retires_at"] * 1_000_000 if "retires_at" in body else None,
        successor=body.get("successor", ""),
    )


def _apply_alias(snapshot: Snapshot, key: str, body: Mapping[str, Any] | None) -> None:
    # First, so that an entry that cannot be read leaves no older one in force.
    snapshot.aliases.pop(key, None)
    if body is not None:
        snapshot.aliases[key] = body["model"]


def _apply_replica(
    snapshot: Snapshot, key: str, body: Mapping[str, Any] | None
) -> None:
    replica_id = int(key)
    before = snapshot.replicas.pop(replica_id, None)
    touched: set[str] = {before.model} if before else set()
    if body is not None:
        entry = ReplicaEntry(
            id=replica_id,
            model=body["model"],
            name=body["name"],
            url=body["url"],
            dialect=body["dialect"],
            upstream_model=body["upstream_model"],
            credential=body["credential"],
            active=body["state"] == "active",
            # A publication from before these were known has neither.
            auth=body.get("auth", "bearer"),
            options=body.get("options", {}),
            slots=body.get("slots", SLOTS),
            weight=body.get("weight", 100),
            is_canary=body.get("canary", False),
        )
        snapshot.replicas[replica_id] = entry
        touched.add(entry.model)
    for model in touched:
        _place_replicas(snapshot, model)
        for served in snapshot.models.values():
            if served.base == model:
                _place_replicas(snapshot, served.name)


def _place_replicas(snapshot: Snapshot, model: str) -> None:
    """Say who serves a model: its own replicas; of an adapter without any, its base's.

    These stay the replicas that they are, with another name to ask for.
    """
    own = _replicas_of(snapshot, model)
    entry = snapshot.models.get(model)
    snapshot.pools.pop(model, None)
    if not own and entry is not None and entry.base is not None:
        name = entry.adapter or entry.name
        snapshot.pools[model] = entry.base
        own = [
            replace(each, upstream_model=name)
            for each in _replicas_of(snapshot, entry.base)
        ]
    if own:
        snapshot.replicas_by_model[model] = tuple(each for each in own if each.active)
    else:
        snapshot.replicas_by_model.pop(model, None)


def _replicas_of(snapshot: Snapshot, model: str) -> list[ReplicaEntry]:
    found = (each for each in snapshot.replicas.values() if each.model == model)
    return sorted(found, key=lambda each: each.id)


def _apply_limits(snapshot: Snapshot, key: str, body: Mapping[str, Any] | None) -> None:
    snapshot.limits.apply_own(key, body)


def _apply_plan(snapshot: Snapshot, key: str, body: Mapping[str, Any] | None) -> None:
    snapshot.limits.apply_plan(key, body)


_APPLY: Mapping[str, Callable[[Snapshot, str, Mapping[str, Any] | None], None]] = {
    "api_key": _apply_key,
    "tenant": _apply_tenant,
    "model": _apply_model,
    "alias": _apply_alias,
    "replica": _apply_replica,
    "limits": _apply_limits,
    "plan": _apply_plan,
}
