"""The models that a key may call: served, priced, and none that it is kept from."""

from dataclasses import dataclass

import orjson

from inference.gateway.authentication import Authenticator
from inference.gateway.http import HttpRequest
from inference.routing.snapshot import ModelEntry, Snapshot
from kit.contracts import Caller, Meter
from kit.errors import ModelNotFound
from kit.scopes import Scope


@dataclass(frozen=True, slots=True)
class ModelList:
    """Serves `/v1/models` and `/v1/models/{name}`."""

    authenticator: Authenticator
    snapshot: Snapshot
    meter: Meter

    async def list_all(self, http: HttpRequest) -> None:
        """List the models by name."""
        caller = self.authenticator.caller(http, needs=Scope.MODELS)
        data = [
            _shown(entry)
            for name, entry in sorted(self.snapshot.models.items())
            if self._may_call(caller, name)
        ]
        await http.respond(200, orjson.dumps({"object": "list", "data": data}))

    async def retrieve(self, http: HttpRequest, name: str) -> None:
        """Show one model."""
        caller = self.authenticator.caller(http, needs=Scope.MODELS)
        entry = self.snapshot.models.get(name)
        if entry is None or not self._may_call(caller, name):
            raise ModelNotFound(name)
        await http.respond(200, orjson.dumps(_shown(entry)))

    def _may_call(self, caller: Caller, model: str) -> bool:
        return caller.may_call(model) and self.meter.price(caller, model) is not None


def _shown(entry: ModelEntry) -> dict[str, object]:
    return {
        "id": entry.name,
        "object": "model",
        "created": entry.created,
        "owned_by": "tollgate",
        "max_model_len": entry.context_tokens,
    }
