"""Keys that are sent as they are; an engine without one is sent none."""

from collections.abc import Mapping

from inference.engines.backend import EngineCall
from inference.engines.origin import Origin


class Bearer:
    """`Authorization: Bearer`, as the OpenAI API has it."""

    async def headers(
        self,
        origin: Origin,
        call: EngineCall,
        credential: str,
        options: Mapping[str, str],
    ) -> Mapping[str, str]:
        """Return the header."""
        return {"authorization": f"Bearer {credential}"} if credential else {}


class ApiKeyHeader:
    """A header of the engine's own, such as Anthropic's `x-api-key`."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def headers(
        self,
        origin: Origin,
        call: EngineCall,
        credential: str,
        options: Mapping[str, str],
    ) -> Mapping[str, str]:
        """Return the header."""
        return {self._name: credential} if credential else {}
