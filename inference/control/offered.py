"""How the models that are offered do just now, as far as callers need to know.

Replicas and gateways are nothing for tenants; the database tells them one word of each
model. Failure: where no gateway tells how it is, a model's state is not known.
"""

import datetime as dt
import enum

from inference.control.live import SILENT
from kit.orm.atomic import cursor


class ModelState(enum.StrEnum):
    """How a model does."""

    READY = "ready"
    DEGRADED = "degraded"
    """Some of its replicas do not answer."""
    DOWN = "down"
    """None of them does."""
    UNKNOWN = "unknown"


def model_states(*, now: dt.datetime) -> dict[int, ModelState]:
    """Return how each enabled model does, by its id."""
    with cursor() as session:
        session.execute("SELECT * FROM control_model_states(%s)", [now - SILENT])
        return {model: ModelState(state) for model, state in session.fetchall()}
