"""How the engines' counts may rightly differ from what was metered, and why.

Data, an engine a row: what is exact is reckoned with, what nobody can tell is bounded.
What has no line here is a difference: traffic behind the gateway's back above all. Our
own calls make no tokens: prompts are counted at /tokenize, and nothing warms up.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineRules:
    """What one engine counts, in figures; `reasons` says each in words.

    `unheard_tokens_max` is what a choice may go on for after its client has left.
    """

    engine: str
    unheard_tokens_max: int
    # Whether a prompt is counted once for each answer to it.
    counts_prompts_per_answer: bool
    # Whether tokens that a cache held are counted as prompt.
    counts_cached_prompts: bool
    reasons: tuple[str, ...]


_CUT = (
    "An answer that was cut off goes on until the engine notices: up to {unheard}"
    " tokens of a stream, all that was asked for of a whole answer."
)
_UNSEEN = (
    "A prompt whose client had left before the engine looked at it is counted by nobody"
    " there, and billed if the engine had the request."
)
_FREE = (
    "An answer that ended by our side before its first token is not billed; the engine"
    " may have counted its prompt. Which engine that was is not known of an answer at"
    " once whose gateway was killed: it counts with any of them."
)
_UNHEARD = 64

VLLM = EngineRules(
    engine="vllm",
    unheard_tokens_max=_UNHEARD,
    counts_prompts_per_answer=True,
    counts_cached_prompts=True,
    reasons=(
        "A prompt is counted once for each answer to it (`n`), and billed once: at most"
        " as many of the longest prompts as there were further answers.",
        _CUT.format(unheard=_UNHEARD),
        _UNSEEN,
        _FREE,
        "A request that made room for others may count again: a context each time.",
    ),
)
LLAMA_CPP = EngineRules(
    engine="llama.cpp",
    unheard_tokens_max=_UNHEARD,
    counts_prompts_per_answer=True,
    counts_cached_prompts=False,
    reasons=(
        "What its cache held of a prompt is not counted: up to all of it.",
        _CUT.format(unheard=_UNHEARD),
        _UNSEEN,
        _FREE,
    ),
)
RULES = {rules.engine: rules for rules in (VLLM, LLAMA_CPP)}
