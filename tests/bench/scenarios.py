"""The loads that are measured; each asks one question about a gateway."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

PATH = "/v1/chat/completions"
_SENTENCE = "Count aloud, please. "
PROMPT_BYTES = len(_SENTENCE) * 10
# The simulator counts a token for every four.
LONG_PROMPT_BYTES = 400_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """A closed loop: so many connections, each with one request at a time.

    `inter_token_ms` is the engine's pace; 0 is as fast as it goes. Connections start
    over `spread_s`, so that paced streams do not beat in time.
    """

    name: str
    question: str
    connections: int
    tokens: int
    stream: bool
    inter_token_ms: float = 0.0
    spread_s: float = 0.0
    prompt_bytes: int = PROMPT_BYTES
    warm_up_s: float = 0.7
    window_s: float = 2.5
    # Where nothing in the table of bars hangs on it, half of the rounds are enough.
    is_main: bool = False
    # Streams last about as long as the window, so that what has come of them counts.
    is_crowd: bool = False

    @property
    def is_paced(self) -> bool:
        """Tell whether the engine waits between tokens."""
        return self.inter_token_ms > 0

    def body(self, *, model: str) -> bytes:
        """Return the body of every request of this load."""
        fields: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": self._prompt()},
            ],
            "max_tokens": self.tokens,
            "temperature": 0.7,
        }
        if self.stream:
            fields |= {"stream": True, "stream_options": {"include_usage": True}}
        return orjson.dumps(fields)

    def request(self, *, host: str, model: str, key: str, path: str = PATH) -> bytes:
        """Return the request, head and body, as it goes over the wire."""
        body = self.body(model=model)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\n"
            f"authorization: Bearer {key or 'none'}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def within(self, window_s: float) -> "Scenario":
        """Return the same load, measured for so long; crowds take their own time."""
        return self if self.is_crowd else replace(self, window_s=window_s)

    def rounds_of(self, rounds: int) -> int:
        """Return in how many of so many rounds it takes part."""
        if self.is_main:
            return rounds
        return max(rounds // 2, 1) if self.is_crowd else (rounds + 1) // 2

    def _prompt(self) -> str:
        times = -(-self.prompt_bytes // len(_SENTENCE))
        return (_SENTENCE * times)[: self.prompt_bytes]


def _crowd(
    name: str, *, streams: int, inter_token_ms: float, stream_s: float, spread_s: float
) -> Scenario:
    """Return a load of streams that are open for long, each slow."""
    return Scenario(
        name=name,
        question="what does an open stream weigh, and does any of them stall?",
        connections=streams,
        tokens=int(stream_s * 1_000 / inter_token_ms),
        stream=True,
        inter_token_ms=inter_token_ms,
        spread_s=spread_s,
        warm_up_s=1.0,
        window_s=6.0,
        is_crowd=True,
    )


# Crowds first: memory that other loads have left behind would pass for theirs.
SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        _crowd("s1000", streams=1_000, inter_token_ms=50, stream_s=5.0, spread_s=3.0),
        _crowd("s5000", streams=5_000, inter_token_ms=500, stream_s=12.0, spread_s=8.0),
        Scenario(
            name="ns",
            question="what does a request cost, and how much later is it answered?",
            connections=16,
            tokens=64,
            stream=False,
            is_main=True,
        ),
        Scenario(
            name="ns1",
            question="how much later is a lone caller answered?",
            connections=1,
            tokens=64,
            stream=False,
        ),
        Scenario(
            name="c1",
            question="what does a lone reader feel?",
            connections=1,
            tokens=32,
            stream=True,
            inter_token_ms=5,
        ),
        Scenario(
            name="c16",
            question="what does a user of a quiet gateway feel?",
            connections=16,
            tokens=64,
            stream=True,
            inter_token_ms=10,
            spread_s=0.6,
        ),
        Scenario(
            name="c128",
            question="what does a user feel among many?",
            connections=128,
            tokens=64,
            stream=True,
            inter_token_ms=20,
            spread_s=0.6,
        ),
        Scenario(
            name="c128h",
            question="what does a token cost, and how late is it, when many stream?",
            connections=128,
            tokens=128,
            stream=True,
            inter_token_ms=5,
            spread_s=0.6,
            is_main=True,
        ),
        Scenario(
            name="sat",
            question="how many tokens go through when nothing else limits them?",
            connections=64,
            tokens=64,
            stream=True,
            is_main=True,
        ),
        Scenario(
            name="big",
            question="what do long prompts cost those who stream beside them?",
            connections=4,
            tokens=16,
            stream=True,
            inter_token_ms=5,
            prompt_bytes=LONG_PROMPT_BYTES,
        ),
        Scenario(
            name="k100",
            question="how much later does the answer to a long prompt begin?",
            connections=1,
            tokens=4,
            stream=True,
            inter_token_ms=5,
            prompt_bytes=LONG_PROMPT_BYTES,
            is_main=True,
        ),
    )
}
