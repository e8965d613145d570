"""The policies that there are, by name."""

from collections.abc import Mapping

from inference.routing.least_loaded import LeastLoaded
from inference.routing.prefix_aware import PrefixAware
from inference.routing.round_robin import RoundRobin
from inference.routing.router import Router
from inference.routing.serving import Policy


def new_policies() -> Mapping[Policy, Router]:
    """Return a process's own routers, which have learned nothing yet."""
    return {
        Policy.ROUND_ROBIN: RoundRobin(),
        Policy.LEAST_LOADED: LeastLoaded(),
        Policy.PREFIX_AWARE: PrefixAware(),
    }
