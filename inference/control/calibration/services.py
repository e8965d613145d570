"""Calibrate served models: ask their engines, fit the factors, publish them.

A scan asks for every model that an active replica serves and that has never been asked,
was asked in another way, or is stale by an operator's word. Engines are asked outside
of any transaction; what they said is stored in one, with the publication.

Failure: what cannot be asked is `failed`, keeps the factors it has and is tried again.
Engines that do not count are `unable`: the safe default holds, until they change.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from celery import current_app
from django.db import transaction

from inference.control.calibration.asking import Answer, Outcome, ask
from inference.control.calibration.fitting import fit
from inference.control.calibration.probes import probes
from inference.control.models import Calibration, Replica, ServedModel
from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from kit.orm.saving import change, create

TASK = "control.calibrate_models"
RETRY_AFTER = dt.timedelta(minutes=4)
# A scan ends before its worker's time does: each model may take a minute a replica.
MODELS_MAX = 10
_MARK_CHARACTERS = 16

State = Calibration.State
log = structlog.get_logger("tollgate.control")


def calibrate_soon() -> None:
    """Ask a worker for a scan once the transaction has committed."""
    # Robust: a broker that is away is made up for by the next scan.
    transaction.on_commit(_ask_worker, using=current_alias(), robust=True)


def calibrate_due(*, now: dt.datetime) -> int:
    """Calibrate what is due, longest untried first; return how many models were tried.

    Idempotent: a model that two scans calibrate at once is as well calibrated by one.
    """
    due = [model for model in _candidates() if is_due(model, now=now)]
    due.sort(key=_tried_at)
    for model in due[:MODELS_MAX]:
        try:
            calibrate(model=model, now=now)
        except Exception:
            # What one model is in the way of is not for all that come after it.
            log.exception("model_not_calibrated", model=model.name)
    return len(due[:MODELS_MAX])


def calibrate(*, model: ServedModel, now: dt.datetime) -> Calibration:
    """Ask all active replicas of a model and put what they said into force.

    Raises `Conflict` where no replica is active.
    """
    replicas = _active(model)
    if not replicas:
        raise Conflict(f"No active replica serves {model.name}: activate one first.")
    answers = [(replica, ask(replica, probes())) for replica in replicas]
    row = _store(model, answers, now=now)
    log.info("model_calibrated", model=model.name, state=str(row.state))
    return row


def recalibrate(*, model: ServedModel) -> ServedModel:
    """Mark a model as stale: its factors stay in force until its engines were asked."""
    with atomic():
        _change(model, {"state": State.STALE}, action="recalibrate")
        calibrate_soon()
    return model


def is_due(model: ServedModel, *, now: dt.datetime) -> bool:
    """Tell whether a model has an active replica that is to be asked."""
    row: Calibration | None = getattr(model, "calibration", None)
    replicas = [each for each in model.replicas.all() if each.state == _ACTIVE]
    if row is None or row.state == State.STALE:
        return bool(replicas)
    outcomes = {each["mark"]: each["outcome"] for each in row.replicas}
    found = [outcomes.get(mark(replica)) for replica in replicas]
    rested = row.tried_at is None or now - row.tried_at >= RETRY_AFTER
    return None in found or (Outcome.AWAY in found and rested)


def mark(replica: Replica) -> str:
    """Return what changes when a replica is another engine, or reached otherwise."""
    how = (
        replica.url,
        replica.dialect,
        replica.upstream_model,
        replica.credential,
        replica.auth,
        orjson.dumps(replica.options, option=orjson.OPT_SORT_KEYS).decode(),
    )
    digest = hashlib.sha256("\n".join(how).encode()).hexdigest()[:_MARK_CHARACTERS]
    return f"{replica.pk}:{digest}"


_ACTIVE = Replica.State.ACTIVE


def _active(model: ServedModel) -> list[Replica]:
    rows = Replica.objects.filter(model=model, state=_ACTIVE).order_by("pk")
    return list(rows.select_related("model"))


def _candidates() -> list[ServedModel]:
    rows = ServedModel.objects.filter(enabled=True, replicas__state=_ACTIVE).distinct()
    return list(rows.select_related("calibration").prefetch_related("replicas"))


def _tried_at(model: ServedModel) -> dt.datetime:
    row: Calibration | None = getattr(model, "calibration", None)
    longest_ago = dt.datetime.min.replace(tzinfo=dt.UTC)
    return (row.tried_at if row else None) or longest_ago


def _store(
    model: ServedModel, answers: Sequence[tuple[Replica, Answer]], *, now: dt.datetime
) -> Calibration:
    seen = [each for _, answer in answers for each in answer.seen]
    outcomes = {answer.outcome for _, answer in answers}
    changes: dict[str, Any] = {
        "tried_at": now,
        "replicas": [
            {
                "name": replica.name,
                "mark": mark(replica),
                "outcome": answer.outcome.value,
                "said": answer.said,
            }
            for replica, answer in answers
        ],
    }
    if seen:
        factors = fit(seen).published()
        changes |= {"state": State.CALIBRATED, "factors": factors, "calibrated_at": now}
    elif Outcome.AWAY in outcomes:
        changes |= {"state": State.FAILED}
    else:
        changes |= {"state": State.UNABLE, "factors": None, "calibrated_at": None}
    return _change(model, changes)


def _change(
    model: ServedModel, changes: dict[str, Any], *, action: str = "update"
) -> Calibration:
    """Write the row of a model, and make it where there is none."""
    with atomic():
        # Its lock puts those in order who would make the row.
        ServedModel.objects.select_for_update(no_key=True).get(pk=model.pk)
        row = Calibration.objects.filter(model=model).first()
        if row is None:
            row = Calibration(model=model, **changes)
            create(row, action=action)
        else:
            change(row, changes, action=action)
    return row


def _ask_worker() -> None:
    current_app.send_task(TASK, retry=False)
