"""Save a row the one way services do: validated, in the role in force, with our errors.

Failure: a value the model refuses is an `InvalidRequest` that names its field, a value
that another row already has is a `Conflict`. The database has the last word on
uniqueness, so two writers at once end as one row and one `Conflict`. What is written is
told to the audit in the same transaction.
"""

from collections.abc import Mapping
from typing import NoReturn

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models
from psycopg.errors import UniqueViolation

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.audited import tell, values

_TAKEN = frozenset({"unique", "unique_together"})


def create(row: models.Model, *, action: str = "create") -> None:
    """Validate and insert a new row.

    Raises `InvalidRequest` or `Conflict`.
    """
    _clean(row)
    with atomic():
        _save(row, force_insert=True)
        tell(row, action=action, after=values(row))


def change(
    row: models.Model, changes: Mapping[str, object], *, action: str = "update"
) -> None:
    """Set the named fields of a row, validate it, and write those that differ.

    Raises `InvalidRequest` or `Conflict`.
    """
    differing = [name for name, value in changes.items() if getattr(row, name) != value]
    if not differing:
        return
    fields = [row._meta.get_field(name) for name in differing]
    names = [str(getattr(field, "attname", field.name)) for field in fields]
    before = {name: getattr(row, name) for name in names}
    for name, field in zip(differing, fields, strict=True):
        setattr(row, field.name, changes[name])
    _clean(row)
    with atomic():
        _save(row, update_fields=differing)
        tell(
            row,
            action=action,
            before=before,
            after={name: getattr(row, name) for name in names},
        )


def _clean(row: models.Model) -> None:
    try:
        row.full_clean()
    except ValidationError as refused:
        _raise_first(row, refused)


def _save(
    row: models.Model,
    *,
    force_insert: bool = False,
    update_fields: list[str] | None = None,
) -> None:
    try:
        with atomic():
            row.save(force_insert=force_insert, update_fields=update_fields)
    except IntegrityError as refused:
        if not isinstance(refused.__cause__, UniqueViolation):
            raise
        raise _taken(row, None) from None


def _raise_first(row: models.Model, refused: ValidationError) -> NoReturn:
    field, errors = next(iter(refused.error_dict.items()))
    error = errors[0]
    param = _field_of(field, error)
    if error.code in _TAKEN:
        raise _taken(row, param) from None
    raise InvalidRequest(" ".join(error.messages), param=param) from None


def _taken(row: models.Model, param: str | None) -> Conflict:
    noun, what = str(row._meta.verbose_name), param or "name"
    article = "an" if noun[0].lower() in "aeiou" else "a"
    message = (
        f"There is already {article} {noun} with this {what}. Choose another {what}."
    )
    return Conflict(message, param=param)


def _field_of(field: str, error: ValidationError) -> str | None:
    """Name the field; of several unique together, the last one is the caller's."""
    if field != NON_FIELD_ERRORS:
        return field
    together = (error.params or {}).get("unique_check")
    return str(together[-1]) if together else None
