"""What a replica must say of itself, and that every choice has somebody behind it."""

from typing import Any

import pytest

from inference.control.models import Replica
from inference.engines.auth.registry import AUTH
from inference.engines.origin import EngineUnreachableError, origin_of
from inference.engines.presets import AUTHS, DIALECTS, faults, url_fault
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
        ({"dialect": "ollama", "options": {"num_ctx": "many"}}, "a whole number"),
        ({"dialect": "ollama", "options": {"num_ctx": "-1"}}, "a whole number"),
        ({"dialect": "ollama", "options": {"keep_alive": "30"}}, "with its unit"),
        ({"dialect": "anthropic", "options": {"max_tokens": "0"}}, "a whole number"),
        ({"dialect": "huggingface", "options": {"container": "docker"}}, "one of vllm"),
        ({"auth": "sigv4", "options": SIGNED | {"region": "eu/../x"}}, "hyphens"),
        (
            {"dialect": "sagemaker", "options": SIGNED | {"endpoint": "a/b?c"}},
            "Give 'endpoint' as letters",
        ),
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


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.5:8000",
        "https://gpu.example/some/where/v1",
        "http://[::1]:8000",
        "http://a:",
    ],
)
def test_a_base_url_is_taken(url: str) -> None:
    assert url_fault(url) == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://x", "Give the engine's base URL"),
        ("http://", "Give the engine's base URL"),
        ("http://a?b", "no query"),
        ("http://user@a", "user"),
        ("http://a\r\nx", "plain letters"),
        ("http://a\tb", "plain letters"),
        ("http://a/\N{LATIN SMALL LETTER E WITH ACUTE}", "plain letters"),
        ("http://[::1", "names a host"),
        ("http://:80", "names a host"),
        ("http://a:0", "a port from 1"),
        ("http://a:99999", "a port from 1"),
    ],
)
def test_what_is_no_base_url_is_said(url: str, words: str) -> None:
    assert words in url_fault(url)


def test_an_address_that_is_none_cannot_be_reached() -> None:
    with pytest.raises(EngineUnreachableError):
        origin_of("http://a:99999")
