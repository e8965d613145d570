"""How each client is pointed at this installation: text to copy, with its own address.

Only what is served stands here: the OpenAI API below `/v1`, and Anthropic's messages at
the same address. The key is never in it: every client reads it from a variable. Pure.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "OPENAI_API_KEY"
ASKED: Final = "What does one token cost?"


@dataclass(frozen=True, slots=True)
class Here:
    """This installation as clients see it: `url` is without `/v1`."""

    url: str
    model: str

    @property
    def base_url(self) -> str:
        """Return what clients of the OpenAI API are given."""
        return f"{self.url}/v1"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One text to copy, and where it goes."""

    name: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Client:
    """A client: `write` makes its snippets, `note` says what else to know."""

    name: str
    label: str
    write: Callable[[Here], tuple[Snippet, ...]]
    note: str = ""


def _curl(here: Here) -> tuple[Snippet, ...]:
    body = {
        "model": here.model,
        "stream": True,
        "messages": [{"role": "user", "content": ASKED}],
    }
    lines = (
        f"curl -N {here.base_url}/chat/completions \\",
        f'  -H "Authorization: Bearer ${VARIABLE}" \\',
        '  -H "Content-Type: application/json" \\',
        f"  -d '{json.dumps(body)}'",
    )
    return (Snippet("curl", "In a terminal", "\n".join(lines)),)


def _python(here: Here) -> tuple[Snippet, ...]:
    text = f"""import os

from openai import OpenAI

client = OpenAI(
    base_url="{here.base_url}",
    api_key=os.environ["{VARIABLE}"],
)
stream = client.chat.completions.create(
    model="{here.model}",
    messages=[{{"role": "user", "content": "{ASKED}"}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)"""
    return (
        Snippet("install", "Once", "pip install openai"),
        Snippet("python", "first_call.py", text),
    )


def _javascript(here: Here) -> tuple[Snippet, ...]:
    text = f"""import OpenAI from "openai";

const client = new OpenAI({{
  baseURL: "{here.base_url}",
  apiKey: process.env.{VARIABLE},
}});
const stream = await client.chat.completions.create({{
  model: "{here.model}",
  messages: [{{ role: "user", content: "{ASKED}" }}],
  stream: true,
}});
for await (const chunk of stream) {{
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}}"""
    return (
        Snippet("install", "Once", "npm install openai"),
        Snippet("javascript", "first_call.mjs", text),
    )


def _langchain(here: Here) -> tuple[Snippet, ...]:
    text = f"""import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="{here.base_url}",
    api_key=os.environ["{VARIABLE}"],
    model="{here.model}",
)
for chunk in model.stream("{ASKED}"):
    print(chunk.content, end="", flush=True)"""
    return (
        Snippet("install", "Once", "pip install langchain-openai"),
        Snippet("langchain", "first_call.py", text),
    )


def _claude_code(here: Here) -> tuple[Snippet, ...]:
    text = "\n".join(
        (
            f"export ANTHROPIC_BASE_URL={here.url}",
            f"export ANTHROPIC_AUTH_TOKEN=${VARIABLE}",
            f"export ANTHROPIC_MODEL={here.model}",
            f"export ANTHROPIC_SMALL_FAST_MODEL={here.model}",
            "claude",
        )
    )
    return (Snippet("claude-code", "In a terminal", text),)


def _codex(here: Here) -> tuple[Snippet, ...]:
    text = f"""model = "{here.model}"
model_provider = "tollgate"
web_search = "disabled"

[features]
multi_agent = false

[model_providers.tollgate]
name = "Tollgate"
base_url = "{here.base_url}"
env_key = "{VARIABLE}"
wire_api = "responses\""""
    return (Snippet("codex", "~/.codex/config.toml", text),)


def _cline(here: Here) -> tuple[Snippet, ...]:
    return (
        Snippet("cline-url", "Base URL", here.base_url),
        Snippet("cline-model", "Model ID", here.model),
    )


def _continue(here: Here) -> tuple[Snippet, ...]:
    text = f"""name: Tollgate
version: 1.0.0
schema: v1
models:
  - name: {here.model}
    provider: openai
    model: {here.model}
    apiBase: {here.base_url}
    apiKey: ${{{{ secrets.{VARIABLE} }}}}
    roles: [chat, edit]"""
    return (Snippet("continue", "~/.continue/config.yaml", text),)


def _aider(here: Here) -> tuple[Snippet, ...]:
    text = "\n".join(
        (
            f"export OPENAI_API_BASE={here.base_url}",
            f"aider --model openai/{here.model}",
        )
    )
    return (Snippet("aider", "In a terminal", text),)


CLIENTS: Final = (
    Client("curl", "curl", _curl),
    Client("python", "Python", _python),
    Client("javascript", "JavaScript", _javascript),
    Client("langchain", "LangChain", _langchain),
)
ASSISTANTS: Final = (
    Client(
        "claude-code",
        "Claude Code",
        _claude_code,
        note="It speaks Anthropic's messages, at the address without /v1. Its own"
        " prompt is over 32,000 tokens: the model's context must be larger.",
    ),
    Client(
        "codex",
        "Codex",
        _codex,
        note="Searches and agents that a provider would have to run are turned off.",
    ),
    Client(
        "cline",
        "Cline",
        _cline,
        note="Choose the API provider OpenAI Compatible, and paste your key below it.",
    ),
    Client("continue", "Continue", _continue),
    Client("aider", "aider", _aider),
)


def client_of(name: str) -> Client | None:
    """Return the client of this name, None where it is not one of these."""
    known = (*CLIENTS, *ASSISTANTS)
    return next((each for each in known if each.name == name), None)
