"""The operators' forms of served models and replicas, where a column is no plain field.

Failure: what is out of form is said beside its field; the services have the last word.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
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
from kit.number_fields import PlainDecimalField

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


class PerCentField(forms.Field):
    """A share in thousandths, written and shown in per cent."""

    widget = UnfoldAdminDecimalFieldWidget

    def prepare_value(self, value: Any) -> Any:
        """Return thousandths as per cent."""
        return Decimal(value) / 10 if isinstance(value, int) else value

    def to_python(self, value: Any) -> int:
        """Return per cent as thousandths; nothing is none."""
        try:
            permille = (PlainDecimalField().to_python(str(value or 0)) or 0) * 10
        except ValidationError:
            permille = None
        if permille is None or permille != int(permille):
            raise ValidationError("Give per cent, with one decimal at most.")
        return int(permille)


class NamesField(forms.Field):
    """Served models by name, one a line, in order."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Return names as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        """Return the lines that say something."""
        text = str(value or "")
        ProhibitNullCharactersValidator()(text)
        return text.split()


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

    canary_permille = PerCentField(
        initial=0,
        required=False,
        label="Canary share, per cent",
        help_text="How much is served by its canary replicas, such as 2.5.",
    )
    fallbacks = NamesField(
        initial=list,
        required=False,
        help_text=(
            "Served models, one a line, that answer in this order where no engine of it"
            " does: each at its own price, and billed under its own name. The fallbacks"
            " of a fallback are not followed."
        ),
    )

    class Meta:
        model = ServedModel
        fields = "__all__"  # noqa: DJ007 - the page names them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            names = [each.name for each in self.instance.fallbacks]
            self.initial["fallbacks"] = names

    def clean_fallbacks(self) -> list[ServedModel]:
        """Return the models that are named."""
        names = self.cleaned_data["fallbacks"]
        found = {each.name: each for each in ServedModel.objects.filter(name__in=names)}
        if missing := [name for name in names if name not in found]:
            raise ValidationError(f"There is no served model '{missing[0]}'.")
        return [found[name] for name in names]


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
