"""Counting what an engine reports: usage merges by maximum, never by adding.

Running usage counts each choice for itself; the sum over choices of the largest count
seen is what has been generated. So with prompts: a completion may hold several, and
each choice tells the length of its own. The final usage is the truth where it comes.
Output that was reported cannot become less: an engine that says so is not believed any
more, and what it said before stands.
"""

from collections.abc import Mapping
from typing import Any

from kit.contracts import TokenCounts
from kit.json_values import is_object

# More than any context holds; a larger figure is a broken engine, not a large answer.
TOKENS_MAX = 100_000_000


class UsageError(Exception):
    """An engine reported usage that cannot be."""


class Tally:
    """The tokens of one request as far as the engine has reported them."""

    __slots__ = (
        "_by_choice",
        "_by_prompt",
        "_cached",
        "_choices_per_prompt",
        "_final_output",
        "_prompt",
        "_prompt_max",
        "_prompts",
        "_reasoning",
        "output_tokens",
    )

    def __init__(
        self,
        *,
        prompts: int = 1,
        choices_per_prompt: int = 1,
        prompt_tokens_max: int = TOKENS_MAX,
    ) -> None:
        self._prompts = prompts
        # More than all prompts can be together: whoever reports it is not believed.
        self._prompt_max = prompt_tokens_max
        self._choices_per_prompt = choices_per_prompt
        self._by_prompt: dict[int, int] = {}
        self._prompt = 0
        self._cached = 0
        # Generated so far; read at every piece of a stream.
        self.output_tokens = 0
        self._reasoning = 0
        self._final_output: int | None = None
        self._by_choice: dict[int, int] = {}

    @property
    def is_reported(self) -> bool:
        """Tell whether the engine has reported anything yet."""
        return self._prompt > 0 or self._final_output is not None

    @property
    def has_prompt(self) -> bool:
        """Tell whether the engine has reported how long all of the prompt is.

        One of no tokens is none: it was not counted, and is not to be free.
        """
        if self._prompts == 1 or self._final_output is not None:
            return self._prompt > 0
        return len(self._by_prompt) >= self._prompts

    @property
    def is_final(self) -> bool:
        """Tell whether the final usage has come."""
        return self._final_output is not None

    def running(self, choice: int, prompt_tokens: int, output_tokens: int) -> None:
        """Take in the running usage of one choice."""
        if prompt_tokens < 0 or output_tokens < 0:
            raise UsageError("a negative number of tokens cannot be")
        if self._prompts > 1:
            number = choice // self._choices_per_prompt
            longest = max(self._by_prompt.get(number, 0), prompt_tokens)
            by_prompt = self._by_prompt | {number: longest}
            _checked(sum(by_prompt.values()), self._prompt_max)
            self._by_prompt = by_prompt
        if prompt_tokens > self._prompt:
            self._prompt = _checked(prompt_tokens, self._prompt_max)
        before = self._by_choice.get(choice, 0)
        if output_tokens < before:
            raise UsageError("the output has become less")
        if output_tokens > before:
            output = self.output_tokens + output_tokens - before
            # The sum is bounded too: it is what the event stores.
            self.output_tokens = output if output <= TOKENS_MAX else _checked(output)
            self._by_choice[choice] = output_tokens

    def at_least(self, prompt_tokens: int, output_tokens: int) -> None:
        """Take in a running total over all choices."""
        prompt = max(self._prompt, _checked(prompt_tokens, self._prompt_max))
        self.output_tokens = max(self.output_tokens, _checked(output_tokens))
        self._prompt = prompt

    def final(self, usage: Mapping[str, Any]) -> None:
        """Take in the usage object of a whole answer."""
        self.total(usage, is_final=True)
        self._final_output = self.output_tokens

    def total(self, usage: Mapping[str, Any], *, is_final: bool = False) -> None:
        """Take in a usage object over all choices, wherever in the answer it comes.

        One without its two counts is refused: read as nothing used, it would be free.
        """
        for name in ("prompt_tokens", "completion_tokens"):
            if usage.get(name) is None:
                raise UsageError(f"{name} is missing")
        prompt = reported_tokens(usage, "prompt_tokens")
        output = reported_tokens(usage, "completion_tokens")
        if is_final and output < self.output_tokens:
            raise UsageError("the output has become less")
        # First what may yet refuse the whole report.
        self.details(usage)
        self.at_least(prompt, output)

    def details(self, usage: Mapping[str, Any]) -> None:
        """Take in the cached and the reasoning share, from whatever reports them."""
        prompt_details = usage.get("prompt_tokens_details")
        if is_object(prompt_details):
            self._cached = max(
                self._cached, reported_tokens(prompt_details, "cached_tokens")
            )
        output_details = usage.get("completion_tokens_details")
        if is_object(output_details):
            self._reasoning = max(
                self._reasoning, reported_tokens(output_details, "reasoning_tokens")
            )
        else:
            # SGLang says it beside the totals.
            self._reasoning = max(
                self._reasoning, reported_tokens(usage, "reasoning_tokens")
            )

    def counts(self, *, output_tokens: int | None = None) -> TokenCounts:
        """Return the counts by class, with as much of the output as was handed over."""
        output = self.output_tokens if output_tokens is None else output_tokens
        prompt = self._prompt
        if self._by_prompt and self._final_output is None:
            prompt = max(prompt, sum(self._by_prompt.values()))
        # Not by `min`: this is done for every token.
        cached = self._cached if self._cached < prompt else prompt
        reasoning = self._reasoning if self._reasoning < output else output
        return TokenCounts(prompt - cached, cached, output, reasoning)


def reported_tokens(usage: Mapping[str, Any], name: str) -> int:
    """Return one count of a report, nothing if it is absent; raises `UsageError`."""
    value = usage.get(name)
    if value is None:
        return 0
    if type(value) is not int:
        raise UsageError(f"{name} is not an integer")
    return _checked(value)


def _checked(tokens: int, most: int = TOKENS_MAX) -> int:
    if not 0 <= tokens <= most:
        raise UsageError(f"{tokens} tokens cannot be")
    return tokens
