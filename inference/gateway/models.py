"""The models that a key may call: served, priced, and none that it is kept from."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from inference.gateway.authentication import Authenticator
from inference.gateway.http import HttpRequest
from inference.gateway.model_policy import require_served
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
    now_us: Callable[[], int]

    async def list_all(self, http: HttpRequest) -> None:
        """List the models and their aliases by name."""
        caller = self.authenticator.caller(http, needs=Scope.MODELS)
        names = sorted(self.snapshot.models.keys() | self.snapshot.aliases.keys())
        found = ((name, self._callable(caller, name)) for name in names)
        data = [_shown(name, entry) for name, entry in found if entry is not None]
        await http.respond(200, orjson.dumps({"object": "list", "data": data}))

    async def retrieve(self, http: HttpRequest, name: str) -> None:
        """Show one model."""
        caller = self.authenticator.caller(http, needs=Scope.MODELS)
        entry = self._callable(caller, name)
        if entry is None:
            named = self.snapshot.model(name)
            if named is not None and caller.may_call(named.name):
                require_served(named, self.snapshot, now_us=self.now_us())
            raise ModelNotFound(name)
        await http.respond(200, orjson.dumps(_shown(name, entry)))

    def _callable(self, caller: Caller, name: str) -> ModelEntry | None:
        """Return the model that a name leads to, if the caller can call it."""
        entry = self.snapshot.model(name)
        if entry is None or not caller.may_call(entry.name):
            return None
        if entry.is_retired(self.now_us()):
            return None
        return entry if self.meter.price(caller, entry.name) is not None else None


def _shown(name: str, entry: ModelEntry) -> dict[str, object]:
    """Return one card; `root` names the model that answers, `parent` an adapter's base.

    As vLLM's, so that an alias and an adapter are told from a model of their own.
    """
    return {
        "id": name,
        "object": "model",
        "created": entry.created,
        "owned_by": "tollgate",
        "root": entry.name,
        "parent": entry.base,
        "max_model_len": entry.context_tokens,
    }
