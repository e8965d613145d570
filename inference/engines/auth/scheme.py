"""How we prove to an engine who we are: the Protocol of the schemes."""

from collections.abc import Mapping
from typing import Protocol

from inference.engines.backend import EngineCall
from inference.engines.origin import Origin


class AuthScheme(Protocol):
    """Adds to a call what its engine wants to see of us."""

    async def headers(
        self,
        origin: Origin,
        call: EngineCall,
        credential: str,
        options: Mapping[str, str],
    ) -> Mapping[str, str]:
        """Return the headers that go with a call, which is a POST.

        `credential` is the value of the replica's variable, empty where it names none;
        `options` are the replica's.
        Raises `EngineUnreachableError` where whoever hands out tokens gives none.
        """
        ...
