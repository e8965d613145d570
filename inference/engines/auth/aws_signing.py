"""Sign with Amazon's own library. Loading it takes half a second: see `sigv4`."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import botocore.session
import structlog
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from inference.engines.backend import EngineCall
from inference.engines.origin import EngineUnreachableError, Origin

log = structlog.get_logger("tollgate.gateway")


class Keys(NamedTuple):
    """What a call is signed with."""

    access_key: str
    secret_key: str
    token: str | None


class OwnKeys:
    """What Amazon's library finds on the host, such as an instance's role."""

    def __init__(self) -> None:
        self._found: Any = None

    def keys(self) -> Keys:
        """Return the keys, renewed where they are about to end. May block.

        Raises `EngineUnreachableError` where the host has none.
        """
        try:
            if self._found is None:
                session = cast("Any", botocore.session).Session()
                self._found = session.get_credentials()
            found = self._found and self._found.get_frozen_credentials()
        except Exception as error:
            log.warning("engine_keys_not_found", error=type(error).__name__)
            found = None
        if found is None:
            raise EngineUnreachableError("no keys of Amazon's can be had")
        return Keys(found.access_key, found.secret_key, found.token)


def keys_of(credential: str) -> Keys:
    """Read a credential; raises `EngineUnreachableError` for one out of form."""
    access_key, _, rest = credential.partition(":")
    secret_key, _, token = rest.partition(":")
    if not access_key or not secret_key:
        raise EngineUnreachableError("the credential is not ACCESS:SECRET")
    return Keys(access_key, secret_key, token or None)


def sign(
    origin: Origin, call: EngineCall, keys: Keys, *, region: str, service: str
) -> Mapping[str, str]:
    """Return the headers that prove a call, which is a POST."""
    scheme = "https" if origin.tls else "http"
    host = origin.host_header
    request = cast("Any", AWSRequest)(
        method="POST",
        url=f"{scheme}://{host}{origin.prefix}{call.path}",
        data=call.body,
        headers={"content-type": call.headers.get("content-type", "")},
    )
    cast("Any", SigV4Auth)(Credentials(*keys), service, region).add_auth(request)
    signed: dict[str, str] = {
        name.lower(): value for name, value in request.headers.items()
    }
    return {**signed, "host": host}
