"""A simulated vLLM server: the engine that tests, demos and benchmarks run against.

It speaks vLLM's HTTP dialect, invents its answers, and is faster than whatever stands
in front of it. The README of this package says what it guarantees.
"""

from inference.engines.simulator.server import run, serve
from inference.engines.simulator.settings import Behaviour, SimulatorSettings
from inference.engines.simulator.tokens import delivered_tokens

__all__ = ["Behaviour", "SimulatorSettings", "delivered_tokens", "run", "serve"]
