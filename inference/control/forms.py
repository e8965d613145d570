"""The operators' forms of served models and replicas, where a column is no plain field.

Failure: what is out of form is said beside its field; the services have the last word.
"""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
)

from inference.control.models import Replica, ServedModel, default_tasks
from inference.openai.tasks import Task


class TasksField(forms.MultipleChoiceField):
    """The tasks of a model, to tick; none is what a model does unless it is said."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def to_python(self, value: Any) -> list[str]:
        """Return what was ticked, in the order of the alphabet."""
        return sorted(super().to_python(value)) or default_tasks()


class ObjectField(forms.JSONField):
    """A JSON object; nothing is an empty one."""

    widget = UnfoldAdminTextareaWidget

    def to_python(self, value: Any) -> Any:
        """Return the object."""
        found = super().to_python(value)
        return {} if found is None else found


class ModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A served model."""

    tasks = TasksField(
        choices=[(task.value, task.value) for task in Task],
        initial=default_tasks,
        required=False,
        help_text="What its engines can be asked for. None: chat and completion.",
    )
    defaults = ObjectField(
        initial=dict,
        required=False,
        help_text=(
            'What holds where a request says nothing, such as {"temperature": 0.6}.'
        ),
    )

    class Meta:
        model = ServedModel
        fields = "__all__"  # noqa: DJ007 - the page names them


class ReplicaForm(forms.ModelForm):  # type: ignore[type-arg]
    """A replica."""

    options = ObjectField(
        initial=dict,
        required=False,
        help_text='What the dialect wants to know besides: {"region": "eu-west-1"}.',
    )

    class Meta:
        model = Replica
        fields = "__all__"  # noqa: DJ007 - the page names them
