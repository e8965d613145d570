"""Count a request as the simulator does, without running one."""

from inference.engines.simulator.tokens import chat_tokens, text_tokens
from inference.openai.limits import split_prompt
from inference.openai.requests import GenerationRequest
from kit.contracts import Surface


def simulated(request: GenerationRequest) -> int:
    """Return the prompt tokens of a request, over all its prompts."""
    payload = request.payload
    if request.surface is Surface.CHAT_COMPLETIONS:
        return len(chat_tokens(payload["messages"], tools=payload.get("tools")))
    known, texts = split_prompt(payload["prompt"])
    return known + sum(len(text_tokens(text)) for text in texts)
