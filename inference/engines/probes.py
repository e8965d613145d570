"""How engines are asked whether they are well, and how much they have to do.

Only plain and cheap GETs: none of them generates anything. Whoever is somebody else's
service is asked nothing: what requests see of it has to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """Where an engine says that it is well, and where what it runs, if it says so."""

    health: str
    metrics: str = ""


PROBES: Mapping[str, Probe] = {
    # While it loads its model it answers 503, as does vLLM when its core is dead.
    "llamacpp": Probe("/health", "/metrics"),
    "ollama": Probe("/api/version"),
    "sglang": Probe("/health", "/metrics"),
    "tgi": Probe("/health", "/metrics"),
    "vllm": Probe("/health", "/metrics"),
}


def is_well(status: int) -> bool:
    """Tell whether an engine that answers a probe so is well.

    One that does not know the page, or shows it to others only, answers all the same.
    """
    return status < 500 or status == 501
