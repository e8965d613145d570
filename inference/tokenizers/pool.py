"""Tokenizers off the event loop: one thread counts, and the loop goes on streaming.

tiktoken lets go of the interpreter while it encodes. Loading does not, so `prepare`
is called when a model that needs a tokenizer is first heard of, before any request.
Failure: what cannot be counted is None, and is logged. Owns: the thread.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from inference.openai.requests import GenerationRequest
from inference.tokenizers.encodings import encoding, text_tokens
from inference.tokenizers.own import tokenizer
from inference.tokenizers.prompts import prompt_tokens
from inference.tokenizers.shipped import TokenizerError

# Twenty mebibytes of text take a second or two.
COUNT_S_MAX = 30.0
_T = TypeVar("_T")

log = structlog.get_logger("tollgate.tokenizers")


class TokenizerPool:
    """Counts texts and prompts with shipped tokenizers, and those of a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tokenizer")
        self._ready: set[str] = set()

    async def prepare(self, names: Iterable[str]) -> None:
        """Load the named tokenizers; one that cannot be had is only logged."""
        for name in set(names) - self._ready:
            self._ready.add(name)
            try:
                await self._call(partial(encoding, name, self._folder))
            except TokenizerError:
                log.exception("tokenizer_unusable", tokenizer=name)

    async def texts(self, name: str, texts: Iterable[str]) -> int | None:
        """Return how many tokens the texts are together, each counted by itself."""
        return await self._counted(
            name,
            partial(
                _sum_of_texts, name, self._folder, [text for text in texts if text]
            ),
        )

    async def prompt(self, name: str, request: GenerationRequest) -> int | None:
        """Return how many tokens the prompt of a request is."""
        return await self._counted(name, partial(_prompt, name, self._folder, request))

    def close(self) -> None:
        """Let the thread end once it has counted what it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _counted(self, name: str, count: partial[int]) -> int | None:
        try:
            async with asyncio.timeout(COUNT_S_MAX):
                return await self._call(count)
        except (TokenizerError, TimeoutError):
            log.exception("tokens_not_counted", tokenizer=name)
            return None

    async def _call(self, call: partial[_T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _sum_of_texts(name: str, folder: Path | None, texts: list[str]) -> int:
    return sum(text_tokens(name, text, folder) for text in texts)


def _prompt(name: str, folder: Path | None, request: GenerationRequest) -> int:
    return prompt_tokens(
        request,
        shipped=tokenizer(name, folder),
        count_text=partial(text_tokens, name, folder=folder),
    )
