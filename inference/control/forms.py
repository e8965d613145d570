"""The operators' forms of served models and replicas, where a column is no plain field.

Failure: what is out of form is said beside its field; the services have the last word.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
)

from inference.control.models import (
    Replica,
    ServedModel,
    default_modalities,
    default_tasks,
)
from inference.openai.media import Modality
from inference.openai.tasks import Task

Unless = Callable[[], list[str]]


class TicksField(forms.MultipleChoiceField):
    """Some of a few things, to tick; none is what holds unless it is said."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def __init__(self, kinds: Iterable[str], unless: Unless, *, help_text: str) -> None:
        super().__init__(
            choices=[(str(kind), str(kind)) for kind in kinds],
            initial=unless,
            required=False,
            help_text=help_text,
        )
        self._unless = unless

    def to_python(self, value: Any) -> list[str]:
        """Return what was ticked, in the order of the alphabet."""
        return sorted(super().to_python(value)) or self._unless()


class ObjectField(forms.JSONField):
    """A JSON object; nothing is an empty one."""

    widget = UnfoldAdminTextareaWidget

    def to_python(self, value: Any) -> Any:
        """Return the object."""
        found = super().to_python(value)
        return {} if found is None else found


class ModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A served model."""

    tasks = TicksField(
        Task,
        default_tasks,
        help_text="What its engines can be asked for. None: chat and completion.",
    )
    modalities = TicksField(
        Modality,
        default_modalities,
        help_text="Which kinds of input its engines take. None: text.",
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
