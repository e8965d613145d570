"""What the judges of dropped calls must know of a real vLLM.

Its tokens cannot be told from its text, so every stream asks for running usage, which
the proxy on the client's side reads by itself. That a request was stopped is in no
counter of vLLM, only in its log, under the id that the gateway gave the attempt. So it
can be told of each request long after, and how long it took is no matter.
"""

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.engines.engine import Engine
from tests.journeys.dropped_calls import Call
from tests.standins.transcript import Seen

POLL_SECONDS = 0.005
# More than this small model has ever done for one request, alone on a machine.
TOKENS_PER_S_MAX = 1000.0
# A server that is behind its engine sends what has come meanwhile in one event.
TOKENS_PER_EVENT_MAX = 3
# Against the tiny model's token that would end an answer early.
ENDLESS: Mapping[str, Any] = {"logit_bias": {"2": -100}}
# The id of the request is a part of the attempt's.
_ABORTED = re.compile(rb"Request \S*?([0-9a-f]{32})\S* aborted\.")


@dataclass(slots=True)
class VllmFacts:
    """The facts of one vLLM that runs here, with its log."""

    engine: Engine
    log: Path
    stream_options: Mapping[str, bool] = field(
        default_factory=lambda: {"include_usage": True, "continuous_usage_stats": True}
    )
    endless: Mapping[str, Any] = field(default_factory=lambda: dict(ENDLESS))
    tokens_per_s_max: float = TOKENS_PER_S_MAX
    tokens_per_event_max: int = TOKENS_PER_EVENT_MAX
    # Some 20 ms, alone on a machine; here it shares two cores with all the rest.
    abort_ms_max: float = math.inf
    _read_bytes: int = 0
    _stopped: set[UUID] = field(default_factory=set)
    _lengths: dict[tuple[bool, str], int] = field(default_factory=dict)

    def tokens(self, seen: Seen) -> int:
        """Return the count that came last: the final one, or the running ones."""
        if seen.usage is not None:
            return int(seen.usage["completion_tokens"])
        return sum(seen.running.values())

    def prompt_tokens(self, call: Call) -> int:
        """Ask the engine, once for each prompt."""
        key = call.is_chat, call.prompt
        if key not in self._lengths:
            self._lengths[key] = (
                self.engine.count_chat([{"role": "user", "content": call.prompt}])
                if call.is_chat
                else self.engine.count_text(call.prompt)
            )
        return self._lengths[key]

    async def aborts(self) -> int:
        """Count the requests of which the log says that they were stopped."""
        await asyncio.sleep(POLL_SECONDS)
        return len(self.stopped())

    def stopped(self) -> set[UUID]:
        """Return the requests of which the log says that they were stopped."""
        with self.log.open("rb") as log:
            log.seek(self._read_bytes)
            said = log.read()
        whole = said[: said.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        self._stopped.update(UUID(id_.decode()) for id_ in _ABORTED.findall(whole))
        return self._stopped
