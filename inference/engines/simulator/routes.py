"""Everything a simulator answers at once: the pages beside generation.

`answer` takes one request and returns one response; `Simulator` is the state that all
connections of a process share.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from inference.engines.simulator import errors, http1
from inference.engines.simulator.engine import Engine
from inference.engines.simulator.faults import TOKENIZE_REFUSE
from inference.engines.simulator.fields import (
    check_model,
    conversation,
    parse_json,
)
from inference.engines.simulator.settings import (
    Behaviour,
    SettingsError,
    SimulatorSettings,
)
from inference.engines.simulator.tokens import chat_tokens, text_tokens, token_id

VERSION = "0.32.0"
METRICS_TYPE = b"text/plain; version=1.0.0; charset=utf-8"


@dataclass(slots=True)
class Simulator:
    """One process: its settings as started, its behaviour now, its engine."""

    settings: SimulatorSettings
    engine: Engine
    behaviour: Behaviour = field(init=False)

    def __post_init__(self) -> None:
        """Start with the behaviour of the settings."""
        self.behaviour = self.settings.behaviour

    def change(self, behaviour: Behaviour) -> None:
        """Behave like this from the next request on."""
        self.behaviour = behaviour
        self.engine.follow(behaviour)

    def count_off_fault(self) -> None:
        """Have the request at hand meet the fault in force."""
        self.behaviour = self.behaviour.after_a_fault()


Page = Callable[[Simulator, bytes], bytes]


def answer(simulator: Simulator, *, method: bytes, path: bytes, body: bytes) -> bytes:
    """Return the response of a page; raises `Refusal` for a wrong address or method."""
    methods = PAGES.get(path)
    if methods is None:
        raise errors.not_found()
    page = methods.get(method)
    if page is None:
        raise errors.method_not_allowed(allow=", ".join(map(bytes.decode, methods)))
    return page(simulator, body)


def _models(simulator: Simulator, _: bytes) -> bytes:
    name = simulator.behaviour.model
    started_at = int(simulator.engine.counters.started_at)
    permission = {
        "id": "modelperm-0000000000000000",
        "object": "model_permission",
        "created": started_at,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    card = {
        "id": name,
        "object": "model",
        "created": started_at,
        "owned_by": "vllm",
        "root": name,
        "parent": None,
        "max_model_len": simulator.behaviour.context_tokens,
        "permission": [permission],
    }
    return http1.json_response({"object": "list", "data": [card]})


def _health(_: Simulator, __: bytes) -> bytes:
    return http1.response(b"", content_type=None)


def _version(_: Simulator, __: bytes) -> bytes:
    return http1.json_response({"version": VERSION})


def _metrics(simulator: Simulator, _: bytes) -> bytes:
    behaviour = simulator.behaviour
    page = simulator.engine.counters.prometheus(
        model=behaviour.model, places=behaviour.sequences_max
    )
    return http1.response(page.encode(), content_type=METRICS_TYPE)


def _tokenize(simulator: Simulator, body: bytes) -> bytes:
    fields = parse_json(body)
    prompt = fields.get("prompt")
    if isinstance(prompt, str):
        check_model(fields, behaviour=simulator.behaviour)
        tokens = text_tokens(prompt)
    else:
        messages = conversation(fields)
        check_model(fields, behaviour=simulator.behaviour)
        tokens = chat_tokens(messages, tools=fields.get("tools"))
    if simulator.behaviour.fault == TOKENIZE_REFUSE:
        simulator.count_off_fault()
        simulator.engine.counters.faults += 1
        raise errors.unavailable()
    return http1.json_response(
        {
            "count": len(tokens),
            "max_model_len": simulator.behaviour.context_tokens,
            "tokens": [token_id(token) for token in tokens],
            "token_strs": tokens if fields.get("return_token_strs") else None,
        }
    )


def _read_settings(simulator: Simulator, _: bytes) -> bytes:
    return http1.json_response(simulator.behaviour.as_json())


def _change_settings(simulator: Simulator, body: bytes) -> bytes:
    try:
        simulator.change(simulator.behaviour.changed(parse_json(body)))
    except SettingsError as refused:
        raise errors.bad_settings(str(refused)) from refused
    return _read_settings(simulator, body)


def _stats(simulator: Simulator, _: bytes) -> bytes:
    return http1.json_response(simulator.engine.counters.stats())


PAGES: dict[bytes, dict[bytes, Page]] = {
    b"/v1/models": {b"GET": _models},
    b"/health": {b"GET": _health},
    b"/version": {b"GET": _version},
    b"/metrics": {b"GET": _metrics},
    b"/tokenize": {b"POST": _tokenize},
    b"/simulator/settings": {b"GET": _read_settings, b"POST": _change_settings},
    b"/simulator/stats": {b"GET": _stats},
}
