"""Amazon's signature over a call, so that no secret goes with it.

The credential is `ACCESS:SECRET` or `ACCESS:SECRET:TOKEN`; without one, what Amazon's
library finds on the host is used, such as an instance's role, which it renews. Signed
is the host as it is sent, and the path as it is written: an encoded one is encoded once
more in what is signed, as all services but S3 have it.
"""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from inference.engines.backend import EngineCall
from inference.engines.origin import EngineUnreachableError, Origin

if TYPE_CHECKING:
    from inference.engines.auth import aws_signing


class SigV4:
    """Signs calls for the service and the region that the replica names."""

    def __init__(self) -> None:
        self._own: aws_signing.OwnKeys | None = None

    async def headers(
        self,
        origin: Origin,
        call: EngineCall,
        credential: str,
        options: Mapping[str, str],
    ) -> Mapping[str, str]:
        """Return the headers of the signature, and the host that it holds for."""
        region, service = options.get("region"), options.get("service")
        if not region or not service:
            raise EngineUnreachableError("the replica names no region or no service")
        if self._own is None:
            # A start without such an engine does without the library; the first call
            # to one does not make all streams wait for it.
            await asyncio.to_thread(_load)
        from inference.engines.auth import aws_signing  # noqa: PLC0415

        if self._own is None:
            self._own = aws_signing.OwnKeys()
        if credential:
            keys = aws_signing.keys_of(credential)
        else:
            keys = await asyncio.to_thread(self._own.keys)
        return aws_signing.sign(origin, call, keys, region=region, service=service)


def _load() -> None:
    import_module("inference.engines.auth.aws_signing")
