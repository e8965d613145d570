"""The dialects that replicas may speak, by the name that the control side publishes."""

from collections.abc import Mapping

from inference.engines.backend import InferenceBackend
from inference.engines.openai_compatible import OpenAICompatibleBackend
from inference.engines.vllm import VllmBackend

BACKENDS: Mapping[str, InferenceBackend] = {
    "openai": OpenAICompatibleBackend(),
    "vllm": VllmBackend(),
}
