"""The OpenAI API at Azure and at Google: the same bodies at other paths.

Azure's deployments name the model in the path and the API's version in the query; its
newer API is the plain dialect. Vertex AI has no `/v1` before the API's own paths, and
wraps its errors in a list.
"""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote, urlencode

import orjson

from inference.engines.backend import Envelope
from inference.engines.openai_compatible import PATHS, OpenAICompatibleBackend
from inference.openai.tasks import Task
from kit.errors import PlatformError
from kit.json_values import is_array

_TASKS = frozenset({Task.CHAT, Task.COMPLETION, Task.EMBEDDING})


class AzureBackend(OpenAICompatibleBackend):
    """The dialect of Azure OpenAI's deployments."""

    tasks: ClassVar[frozenset[Task]] = _TASKS

    def path(self, task: Task, envelope: Envelope) -> str:
        """Return the deployment's path; the engine's name of the model is its name."""
        deployment = quote(envelope.model, safe="")
        version = urlencode({"api-version": envelope.options.get("api_version", "")})
        return f"/openai/deployments/{deployment}{_bare(task)}?{version}"


class VertexBackend(OpenAICompatibleBackend):
    """The dialect of Vertex AI's OpenAI endpoint."""

    tasks: ClassVar[frozenset[Task]] = _TASKS

    def path(self, task: Task, envelope: Envelope) -> str:
        """Return the API's path as it stands below the endpoint."""
        return _bare(task)

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the error body, which may stand in a list."""
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            said = None
        if is_array(said) and said:
            body = orjson.dumps(said[0])
        return super().error(status, body)


def _bare(task: Task, paths: Mapping[Task, str] = PATHS) -> str:
    return paths[task].removeprefix("/v1")
