"""The dialects that replicas may speak, by the name that the control side publishes."""

from collections.abc import Mapping

from inference.engines.anthropic import AnthropicBackend
from inference.engines.backend import InferenceBackend
from inference.engines.bedrock import BedrockBackend
from inference.engines.clouds import AzureBackend, VertexBackend
from inference.engines.huggingface import HuggingFaceBackend
from inference.engines.llamacpp import LlamaCppBackend
from inference.engines.ollama import OllamaBackend
from inference.engines.openai_compatible import OpenAICompatibleBackend
from inference.engines.sagemaker import SageMakerBackend
from inference.engines.sglang import SGLangBackend
from inference.engines.tgi import TgiBackend
from inference.engines.vllm import VllmBackend

# What may run in somebody else's frame.
_CONTAINERS: Mapping[str, InferenceBackend] = {
    "llamacpp": LlamaCppBackend(),
    "openai": OpenAICompatibleBackend(),
    "sglang": SGLangBackend(),
    "tgi": TgiBackend(),
    "vllm": VllmBackend(),
}
BACKENDS: Mapping[str, InferenceBackend] = {
    **_CONTAINERS,
    "anthropic": AnthropicBackend(),
    "azure": AzureBackend(),
    "bedrock": BedrockBackend(),
    "huggingface": HuggingFaceBackend(_CONTAINERS),
    "ollama": OllamaBackend(),
    "sagemaker": SageMakerBackend(),
    "vertex": VertexBackend(),
}
