"""What the page of metrics says of replicas: one that drains is watched to its end."""

from typing import Any
from uuid import uuid4

from inference.gateway.replica_metrics import ReplicaMetrics
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.policies import new_policies
from inference.routing.router import RouteAsk
from inference.routing.snapshot import Snapshot
from inference.scheduling.shares import WholeShares

NOTHING: Any = None


def published(snapshot: Snapshot, *, state: str) -> None:
    """Publish the one replica."""
    body = {
        "model": "m",
        "name": "gpu-1",
        "url": "http://127.0.0.1:1",
        "dialect": "vllm",
        "upstream_model": "",
        "credential": "",
        "state": state,
    }
    snapshot.apply("replica", "1", body)


def test_one_that_drains_is_not_up_and_shows_what_it_still_runs() -> None:
    snapshot, health = Snapshot(), ReplicaHealth(now=lambda: 1.0)
    fleet = Fleet(snapshot, health, WholeShares(), new_policies())
    metrics = ReplicaMetrics(snapshot, fleet, health, NOTHING, NOTHING)

    def said(name: str) -> dict[str, float]:
        [family] = [each for each in metrics.families() if each.name == name]
        return dict(family.read())

    published(snapshot, state="active")
    place = fleet.take(RouteAsk("m", "", "", 1, "", lambda: b""), uuid4())
    assert place is not None
    for state, up in (("active", 1.0), ("draining", 0.0)):
        published(snapshot, state=state)
        assert said("tollgate_replica_up") == {"m/gpu-1": up}
        assert said("tollgate_replica_requests") == {"m/gpu-1": 1.0}
    place.free()
    assert said("tollgate_replica_requests") == {"m/gpu-1": 0.0}
    snapshot.apply("replica", "1", None)
    assert said("tollgate_replica_requests") == {}
