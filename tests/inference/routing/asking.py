"""Replicas, candidates and asks, as policies are shown them."""

from collections.abc import Sequence

from inference.routing.router import Candidate, RouteAsk
from inference.routing.snapshot import ReplicaEntry


def replica(replica_id: int, *, weight: int = 100, slots: int = 8) -> ReplicaEntry:
    return ReplicaEntry(
        id=replica_id,
        model="m",
        name=f"replica-{replica_id}",
        url=f"http://127.0.0.1:{replica_id}",
        dialect="vllm",
        upstream_model="m",
        credential="",
        active=True,
        slots=slots,
        weight=weight,
    )


def candidates(*loads: float, first: int = 1) -> list[Candidate]:
    """Return a candidate for each load, numbered from `first` on."""
    return [
        Candidate(replica(number), load) for number, load in enumerate(loads, first)
    ]


def ask(
    prompt: bytes = b"",
    *,
    model: str = "m",
    adapter: str = "",
    salt: str = "salt",
    tenant_id: int = 1,
    session: str = "",
) -> RouteAsk:
    return RouteAsk(
        model=model,
        adapter=adapter,
        cache_salt=salt,
        tenant_id=tenant_id,
        session=session,
        prompt=lambda: prompt,
    )


def ids(ordered: Sequence[Candidate]) -> list[int]:
    return [each.replica.id for each in ordered]
