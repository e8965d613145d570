"""Reads of exports: which there are, and their content, a piece at a time."""

import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager

from django.db.models import QuerySet

from kit.errors import Conflict, NotFound
from kit.orm.roles import as_operator, as_tenant
from metering.exports.models import Export, ExportPart
from tenants.models import Tenant


def exports(
    *,
    tenant: Tenant | None = None,
    subject: str | None = None,
    state: str | None = None,
) -> QuerySet[Export]:
    """Return exports, the latest first."""
    rows = Export.objects.order_by("-id")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    if subject is not None:
        rows = rows.filter(subject=subject)
    if state is not None:
        rows = rows.filter(state=state)
    return rows


def export(export_id: int) -> Export:
    """Return one export; raises `NotFound`."""
    row = Export.objects.filter(pk=export_id).first()
    if row is None:
        raise NotFound(f"There is no export {export_id}.")
    return row


def require_content(row: Export) -> Export:
    """Return an export whose file is there; raises `Conflict` for any other."""
    if row.state == Export.State.READY:
        return row
    said = {
        Export.State.WAITING: "is being made: ask again in a moment.",
        Export.State.FAILED: f"failed. {row.problem}",
        Export.State.EXPIRED: "has expired: ask for a new one.",
    }
    raise Conflict(f"Export {row.pk} {said[Export.State(row.state)]}")


def content(row: Export, *, reader: int | None) -> Iterator[bytes]:
    """Yield the file in pieces, read as a tenant or, without one, as the operator.

    Each piece is read in a transaction of its own: a slow reader holds none open.
    """
    number = 0
    while (piece := _piece(row.pk, number, reader)) is not None:
        yield piece
        number += 1


def _piece(export_id: int, number: int, reader: int | None) -> bytes | None:
    role: AbstractContextManager[None] = (
        as_operator() if reader is None else as_tenant(reader)
    )
    with role:
        part = ExportPart.objects.filter(export_id=export_id, number=number).first()
    return None if part is None else zlib.decompress(bytes(part.content))
