"""What a replica must say of itself: its dialect, its authentication, their options.

An engine is a dialect, an authentication and a few options, all of them text. The guide
on engines lists what goes together. Pure; what is missing or means nothing is said in
words for whoever writes the replica.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inference.engines.origin import Origin
from kit.json_values import is_object

OPTION_CHARS_MAX = 500
_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z"), "a whole number, such as 8192"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}\Z"), "letters, digits and hyphens"
# What an option's text is; whatever is not here may be any.
_TEXTS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "api_version": (re.compile(r"[0-9A-Za-z.-]+\Z"), "a version, such as 2024-10-21"),
    "container": (
        re.compile(r"(?:vllm|sglang|tgi|llamacpp|openai)\Z"),
        "one of vllm, sglang, tgi, llamacpp and openai",
    ),
    "endpoint": _NAME,
    "inference_component": _NAME,
    "keep_alive": (
        re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h)\Z"),
        "a time with its unit, such as 30m",
    ),
    "max_tokens": _NUMBER,
    "num_ctx": _NUMBER,
    "region": _NAME,
    "service": _NAME,
    "target_variant": _NAME,
    "thinking_budget_tokens": _NUMBER,
}
# Whoever names an address could have our own Google token sent there.
GOOGLE_HOSTS = (".googleapis.com", ".vertexai.goog")


@dataclass(frozen=True, slots=True)
class OptionRule:
    """The options of one dialect or one authentication, and what they are for."""

    needs: Mapping[str, str]
    may: Mapping[str, str]


def _rule(*, may: Mapping[str, str] | None = None, **needs: str) -> OptionRule:
    return OptionRule(needs, may or {})


DIALECTS: Mapping[str, OptionRule] = {
    "vllm": _rule(),
    "openai": _rule(),
    "sglang": _rule(),
    "tgi": _rule(),
    "llamacpp": _rule(
        may={"shared_cache": "yes, where tenants may tell what others have asked"}
    ),
    "huggingface": _rule(may={"container": "what it runs: vllm, sglang, tgi, …"}),
    "ollama": _rule(
        may={"num_ctx": "tokens of context", "keep_alive": "such as 30m"},
    ),
    "azure": _rule(api_version="such as 2024-10-21"),
    "vertex": _rule(),
    "anthropic": _rule(
        may={
            "max_tokens": "of an answer whose request names no bound; by default 4096",
            "thinking_budget_tokens": "where a model cannot choose how much to think",
        },
    ),
    "bedrock": _rule(),
    "sagemaker": _rule(
        endpoint="the endpoint's name",
        may={
            "inference_component": "one of several models behind it",
            "target_variant": "one of its production variants",
        },
    ),
}
AUTHS: Mapping[str, OptionRule] = {
    "bearer": _rule(),
    "x-api-key": _rule(),
    "api-key": _rule(),
    "sigv4": _rule(region="such as eu-central-1", service="bedrock or sagemaker"),
    "google": _rule(may={"token_scope": "of the token; by default cloud-platform"}),
    "oauth": _rule(
        token_url="where tokens are had",  # noqa: S106 - says what the option is
        client_id="the client's id",
        scope="what the token is for",
    ),
}


def faults(
    *, dialect: str, auth: str, credential: str, url: str, options: object
) -> Iterator[str]:
    """Say what is wrong with a replica's options; nothing where all is well."""
    if not is_object(options):
        yield "Give the options as an object of names and texts."
        return
    for name, value in options.items():
        if not isinstance(value, str) or not 0 < len(value) <= OPTION_CHARS_MAX:
            yield f"Give '{name}' as a text of 1 to {OPTION_CHARS_MAX} characters."
        elif not value.isprintable():
            yield f"'{name}' holds what is no printable character."
        elif name in _TEXTS and not _TEXTS[name][0].match(value):
            yield f"Give '{name}' as {_TEXTS[name][1]}."
    rules = [
        (what, name, rule)
        for what, name, rule in (
            ("dialect", dialect, DIALECTS.get(dialect)),
            ("authentication", auth, AUTHS.get(auth)),
        )
        if rule is not None
    ]
    known: set[str] = set()
    for what, name, rule in rules:
        known |= rule.needs.keys() | rule.may.keys()
        for option, meaning in rule.needs.items():
            if option not in options:
                yield f"The {what} '{name}' needs the option '{option}': {meaning}."
    for option in sorted(options.keys() - known):
        yield f"Nothing here has an option '{option}'. Remove it."
    yield from _unsafe(auth, credential, url, options)


def url_fault(url: str) -> str:
    """Say what is wrong with a replica's base URL; nothing where it is one."""
    scheme, _, rest = url.partition("://")
    if scheme not in {"http", "https"} or not rest:
        return "Give the engine's base URL, such as http://10.0.0.5:8000."
    if any(mark in rest for mark in "?#@ "):
        return "The base URL has no query, fragment, user or space."
    if not rest.isascii() or not rest.isprintable():
        return "The base URL has only plain letters, digits and marks."
    try:
        Origin.parse(url)
    except ValueError:
        return "The base URL names a host, and a port from 1 to 65535 if any."
    return ""


def is_google(host: str) -> bool:
    """Tell whether a host is Google's, to which a token of our own may be shown."""
    return f".{host}".endswith(GOOGLE_HOSTS)


def _host_of(url: str) -> str:
    try:
        return Origin.parse(url).host
    except ValueError:
        return ""


def _unsafe(
    auth: str, credential: str, url: str, options: Mapping[str, object]
) -> Iterator[str]:
    """Say what would show a secret to somebody that it is not for."""
    if auth == "google" and not credential and not is_google(_host_of(url)):
        yield "Name a credential: the host's own is shown to Google's addresses alone."
    token_url = options.get("token_url", "https://")
    if isinstance(token_url, str) and not token_url.startswith("https://"):
        yield "Give an https address as 'token_url': the secret is sent there."
