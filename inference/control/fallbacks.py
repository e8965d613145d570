"""Put the models that answer in another one's place into an order.

Failure: a model that could never answer in its place is an `InvalidRequest` about
`fallbacks`, and nothing changes. Whether it costs anything, and what, is its price's
matter, which is asked when it does answer.
"""

from collections.abc import Sequence

from inference.control.models import FALLBACKS_MAX, ModelFallback, ServedModel
from kit.errors import InvalidRequest
from kit.orm.audited import tell


def put(model: ServedModel, chain: Sequence[ServedModel]) -> None:
    """Let these models, in this order, answer where no engine of `model` does.

    Called with the model locked, in the transaction that changes it.
    """
    for each in chain:
        if said := _fault(model, each):
            raise _refused(f"'{each.name}' cannot stand in for '{model.name}': {said}.")
    before, after = _names(model.fallbacks), _names(chain)
    if len(set(after)) < len(after):
        raise _refused("Name each model once.")
    if len(after) > FALLBACKS_MAX:
        raise _refused(f"Name at most {FALLBACKS_MAX} models.")
    if before == after:
        return
    ModelFallback.objects.filter(model=model).delete()
    for position, each in enumerate(chain):
        row = ModelFallback(model=model, position=position, fallback=each)
        row.save(force_insert=True)
    tell(
        model,
        action="set_fallbacks",
        before={"fallbacks": before},
        after={"fallbacks": after},
    )


def _fault(model: ServedModel, other: ServedModel) -> str:
    """Say why a model cannot answer in another one's place; empty where it can."""
    if other.pk == model.pk:
        return "they are one"
    if other.pool_id == model.pool_id:
        return "the same replicas serve both"
    if not set(other.tasks) & set(model.tasks):
        return "it serves none of its tasks"
    return ""


def _names(models: Sequence[ServedModel]) -> list[str]:
    return [each.name for each in models]


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="fallbacks")
