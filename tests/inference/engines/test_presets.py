"""What a replica must say of itself, and that every choice has somebody behind it."""

from typing import Any

import pytest

from inference.control.models import Replica
from inference.engines.auth.registry import AUTH
from inference.engines.presets import AUTHS, DIALECTS, faults
from inference.engines.registry import BACKENDS

ENTRA = {"token_url": "https://login/t", "client_id": "c", "scope": "s"}
SIGNED = {"region": "eu-central-1", "service": "sagemaker"}


def said(**of: Any) -> list[str]:
    """Return what is wrong with a replica that is said to be this."""
    replica = {
        "dialect": "vllm",
        "auth": "bearer",
        "credential": "ENGINE_KEY_X",
        "url": "https://engine",
        "options": {},
    }
    return list(faults(**(replica | of)))


def test_every_choice_has_somebody_behind_it() -> None:
    assert set(Replica.Dialect.values) == BACKENDS.keys() == DIALECTS.keys()
    assert set(Replica.Auth.values) == AUTH.keys() == AUTHS.keys()


@pytest.mark.parametrize(
    "of",
    [
        {},
        {"dialect": "ollama", "options": {"num_ctx": "8192"}},
        {"dialect": "azure", "auth": "api-key", "options": {"api_version": "1"}},
        {"dialect": "azure", "auth": "oauth", "options": ENTRA | {"api_version": "1"}},
        {
            "dialect": "sagemaker",
            "auth": "sigv4",
            "options": SIGNED | {"endpoint": "e"},
        },
        {"auth": "google", "credential": "", "url": "https://x.googleapis.com/v1"},
        {
            "auth": "google",
            "credential": "",
            "url": "https://1.prediction.vertexai.goog",
        },
    ],
)
def test_what_goes_together_is_taken(of: dict[str, Any]) -> None:
    assert said(**of) == []


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ({"dialect": "sagemaker"}, "needs the option 'endpoint'"),
        ({"auth": "sigv4", "options": {"region": "x"}}, "needs the option 'service'"),
        ({"options": {"regoin": "x"}}, "has an option 'regoin'"),
        ({"options": {"num_ctx": 8192}}, "Give 'num_ctx' as a text"),
        ({"options": {"num_ctx": ""}}, "Give 'num_ctx' as a text"),
        ({"dialect": "ollama", "options": {"num_ctx": "1\r\nx"}}, "no printable"),
        ({"options": []}, "as an object"),
        ({"auth": "oauth", "options": ENTRA | {"token_url": "http://x"}}, "an https"),
        ({"auth": "google", "credential": ""}, "Google's addresses alone"),
        (
            {"auth": "google", "credential": "", "url": "https://x.goog.evil"},
            "Google's addresses alone",
        ),
        ({"auth": "google", "credential": "", "url": "http://[x"}, "Google's"),
    ],
)
def test_what_is_missing_or_unknown_is_said(of: dict[str, Any], words: str) -> None:
    assert any(words in fault for fault in said(**of)), said(**of)
