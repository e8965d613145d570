"""The tables of the live page: models, replicas, gateways, refusals, tenants. Pure."""

from dataclasses import dataclass

from django.urls import reverse

from inference.control.live import GatewayNow, ModelNow, ReplicaNow
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, instant, nothing, number, state, words
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.operations.measures import duration_cell, percent_cell, rate_cell

_MILLE = 1000
_CONDITIONS = {
    "healthy": Tone.GOOD,
    "failing": Tone.BAD,
    "down": Tone.BAD,
    "draining": Tone.WAIT,
    "disabled": Tone.OVER,
    "unknown": Tone.PLAIN,
}
_REASONS = {
    "rate_limit": "Rate limit",
    "concurrency": "Concurrent requests",
    "budget_held": "Budget is held by others",
    "insufficient_quota": "Budget, quota or credit is spent",
    "no_replica": "No replica serves the model",
    "queue_full": "The queue is full",
    "tenant_share": "The tenant has too much in the queue",
    "deadline": "Waited too long in the queue",
}


@dataclass(frozen=True, slots=True)
class TenantNow:
    """A tenant that calls just now."""

    id: int
    slug: str
    running: int
    requests: int
    tokens: int


def condition_badge(replica: ReplicaNow) -> Badge:
    """Return how a replica is, in a word."""
    return Badge(replica.condition, _CONDITIONS[replica.condition])


def _replicas_of(model: ModelNow) -> Cell:
    shown = f"{model.healthy} of {model.expected}"
    tone = Tone.GOOD if model.healthy == model.expected else Tone.BAD
    if not model.expected:
        return state(Badge("none", Tone.OVER))
    return state(Badge(shown, tone))


def _running(replica: ReplicaNow) -> Cell:
    share = min(_MILLE, replica.running * _MILLE // replica.slots)
    return number(replica.running, note=f"of {replica.slots:,}", share=share)


def _waiting(replica: ReplicaNow) -> Cell:
    return nothing("not told") if replica.waiting is None else number(replica.waiting)


MODELS: Table[ModelNow] = Table(
    name="models",
    title="Models",
    usual_sort="model",
    is_one_of_many=True,
    has_file=False,
    note="Each model by itself, so that a full one is not averaged into an idle one.",
    empty=Empty(
        "No replica is there yet", "Add a model, and a replica that serves it."
    ),
    columns=(
        Column(
            "model",
            "Model",
            lambda row: words(row.name, address=f"#replicas-{row.name}"),
            sort=lambda row: row.name,
        ),
        Column("replicas", "Healthy", _replicas_of, sort=lambda row: row.healthy),
        Column(
            "running",
            "Running",
            lambda row: number(row.running),
            Kind.NUMBER,
            sort=lambda row: row.running,
        ),
        Column(
            "waiting",
            "Waiting",
            lambda row: number(row.waiting),
            Kind.NUMBER,
            sort=lambda row: row.waiting,
            note="In the gateways' queues, for a place on a replica.",
        ),
        Column(
            "rate",
            "Output tokens/s",
            lambda row: rate_cell(row.traffic.output_tokens_per_s),
            Kind.NUMBER,
            sort=lambda row: row.traffic.output_tokens_per_10s,
        ),
        Column(
            "p50",
            "First token p50",
            lambda row: duration_cell(row.traffic.first_token_p50_us),
            Kind.NUMBER,
            sort=lambda row: row.traffic.first_token_p50_us,
        ),
        Column(
            "p95",
            "p95",
            lambda row: duration_cell(row.traffic.first_token_p95_us),
            Kind.NUMBER,
            sort=lambda row: row.traffic.first_token_p95_us,
        ),
        Column(
            "cached",
            "Prefix hits",
            lambda row: percent_cell(row.traffic.cached_percent),
            Kind.NUMBER,
            sort=lambda row: row.traffic.cached_percent,
            note="How much of the prompts' tokens the engines had in their caches.",
        ),
    ),
)

REPLICAS: Table[ReplicaNow] = Table(
    name="replicas",
    title="Replicas",
    usual_sort="replica",
    is_one_of_many=True,
    has_file=False,
    empty=Empty("No replica is there yet", "A replica is one running engine."),
    columns=(
        Column(
            "replica",
            "Replica",
            lambda row: words(
                row.name,
                address=reverse("admin:control_replica_change", args=(row.id,)),
                note=row.model,
            ),
            sort=lambda row: (row.model, row.name),
        ),
        Column(
            "state",
            "State",
            lambda row: state(
                condition_badge(row),
                note=""
                if not row.seen_by or row.up_for == row.seen_by
                else f"up for {row.up_for} of {row.seen_by} gateways",
            ),
            sort=lambda row: row.condition,
        ),
        Column(
            "running",
            "Running",
            _running,
            Kind.NUMBER,
            sort=lambda row: row.running,
            note="All that its engine has, of its slots.",
        ),
        Column(
            "waiting",
            "Waiting in it",
            _waiting,
            Kind.NUMBER,
            sort=lambda row: row.waiting,
        ),
        Column(
            "filled",
            "KV cache",
            lambda row: percent_cell(row.filled_percent),
            Kind.NUMBER,
            sort=lambda row: row.filled_percent,
        ),
        Column(
            "rate",
            "Output tokens/s",
            lambda row: rate_cell(row.traffic.output_tokens_per_s),
            Kind.NUMBER,
            sort=lambda row: row.traffic.output_tokens_per_10s,
        ),
        Column(
            "p50",
            "First token p50",
            lambda row: duration_cell(row.traffic.first_token_p50_us),
            Kind.NUMBER,
            sort=lambda row: row.traffic.first_token_p50_us,
        ),
        Column(
            "p95",
            "p95",
            lambda row: duration_cell(row.traffic.first_token_p95_us),
            Kind.NUMBER,
            sort=lambda row: row.traffic.first_token_p95_us,
        ),
        Column(
            "cached",
            "Prefix hits",
            lambda row: percent_cell(row.traffic.cached_percent),
            Kind.NUMBER,
            sort=lambda row: row.traffic.cached_percent,
        ),
        Column(
            "failed",
            "Failed",
            lambda row: number(row.traffic.failed),
            Kind.NUMBER,
            sort=lambda row: row.traffic.failed,
            note="Requests that the engine failed, within the minute.",
        ),
    ),
)


def _gateway_state(gateway: GatewayNow) -> Cell:
    if gateway.is_silent:
        return state(Badge("silent", Tone.BAD))
    if not gateway.is_ready:
        return state(Badge("not ready", Tone.WAIT))
    return state(Badge("ready", Tone.GOOD))


GATEWAYS: Table[GatewayNow] = Table(
    name="gateways",
    title="Gateways",
    is_one_of_many=True,
    has_file=False,
    empty=Empty(
        "No gateway has said anything within a day",
        "Start one: it says how it is every two seconds.",
    ),
    columns=(
        Column("gateway", "Gateway", lambda row: words(row.name)),
        Column("state", "State", _gateway_state),
        Column(
            "running",
            "Running",
            lambda row: nothing("") if row.is_silent else number(row.running),
            Kind.NUMBER,
        ),
        Column(
            "waiting",
            "Waiting",
            lambda row: nothing("") if row.is_silent else number(row.waiting),
            Kind.NUMBER,
        ),
        Column("version", "Knows up to", lambda row: number(row.version), Kind.NUMBER),
        Column("started", "Runs since, UTC", lambda row: instant(row.started_at)),
        Column("at", "Last heard of, UTC", lambda row: instant(row.at)),
    ),
)

REFUSALS: Table[tuple[str, int]] = Table(
    name="refusals",
    title="Refused within the last minute",
    is_one_of_many=True,
    has_file=False,
    empty=Empty("Nothing was refused within the last minute"),
    columns=(
        Column(
            "reason",
            "Reason",
            lambda row: words(_REASONS.get(row[0], row[0])),
        ),
        Column("count", "Requests", lambda row: number(row[1]), Kind.NUMBER),
    ),
)

TENANTS: Table[TenantNow] = Table(
    name="tenants",
    title="Top tenants now",
    is_one_of_many=True,
    has_file=False,
    empty=Empty("No tenant calls just now"),
    columns=(
        Column(
            "tenant",
            "Tenant",
            lambda row: words(
                row.slug, address=reverse("operations:tenant", args=(row.id,))
            ),
        ),
        Column("running", "Running", lambda row: number(row.running), Kind.NUMBER),
        Column(
            "requests",
            "Requests",
            lambda row: number(row.requests),
            Kind.NUMBER,
            note="Within this hour and the one before, as far as rolled up.",
        ),
        Column(
            "tokens",
            "Tokens",
            lambda row: number(row.tokens),
            Kind.NUMBER,
            note="Within this hour and the one before, as far as rolled up.",
        ),
    ),
)
