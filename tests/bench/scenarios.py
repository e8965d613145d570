"""The loads that are measured; each asks one question about a gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

PATH = "/v1/chat/completions"
PROMPT = "Count aloud, please. " * 10


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
    warm_up_s: float = 0.7
    window_s: float = 2.5

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
                {"role": "user", "content": PROMPT},
            ],
            "max_tokens": self.tokens,
            "temperature": 0.7,
        }
        if self.stream:
            fields |= {"stream": True, "stream_options": {"include_usage": True}}
        return orjson.dumps(fields)

    def request(self, *, host: str, model: str, key: str) -> bytes:
        """Return the request, head and body, as it goes over the wire."""
        body = self.body(model=model)
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\n"
            f"authorization: Bearer {key or 'none'}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="ns",
            question="what does a request cost, and how much later is it answered?",
            connections=16,
            tokens=64,
            stream=False,
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
            name="c128h",
            question="what does a token cost, and how late is it, when many stream?",
            connections=128,
            tokens=128,
            stream=True,
            inter_token_ms=5,
            spread_s=0.6,
        ),
        Scenario(
            name="sat",
            question="how many tokens go through when nothing else limits them?",
            connections=64,
            tokens=64,
            stream=True,
        ),
    )
}
