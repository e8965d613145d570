"""What a served model makes of requests: its defaults, and what it does not allow.

Read from its published entry, once. Most models have none. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.openai.defaults import defaults_for
from inference.openai.tasks import Task


@dataclass(frozen=True, slots=True)
class ModelRules:
    """A served model's own rules; `defaults` are by the task that they are for.

    `choices_max` is None where the API's own bound is the only one.
    """

    defaults: Mapping[Task, Mapping[str, Any]]
    choices_max: int | None = None
    allows_tools: bool = True

    @classmethod
    def of_published(cls, body: Mapping[str, Any]) -> "ModelRules | None":
        """Read a model's entry; None where it has no rules."""
        defaults: Mapping[str, Any] = body.get("defaults") or {}
        choices_max = body.get("choices_max")
        allows_tools = body.get("allows_tools", True)
        if not defaults and choices_max is None and allows_tools:
            return None
        by_task = {task: defaults_for(task, defaults) for task in Task}
        return cls(by_task, choices_max, allows_tools)
