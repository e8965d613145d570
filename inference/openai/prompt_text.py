"""The text of a prompt, in the order in which engines read it. Pure."""

import orjson

from inference.openai.requests import GenerationRequest


def prompt_text(request: GenerationRequest) -> bytes:
    """Return the prompt's bytes: what a longer one begins with, it begins with, too."""
    payload = request.payload
    said = [payload.get("tools"), *payload.get("messages", ())]
    return b"".join(orjson.dumps(each) for each in said if each) or orjson.dumps(
        payload.get("prompt") or payload.get("input")
    )
