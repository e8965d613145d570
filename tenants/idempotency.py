"""Where answers to writes are kept for a day: a row per caller and key, sealed.

The unique row is what makes two requests at once one: the later insert waits for the
earlier's transaction. A row that outlived its day is claimed anew, whether or not the
purge has come by.

Failure: a row that was altered does not open, which is a bug's 500 and never another
answer. After the installation's secret changed, a kept key reads as one that was sent
with another request.
"""

import base64
import datetime as dt
import json
from typing import Any

from django.db.models import QuerySet

from kit.drf.idempotency import KEPT_HOURS, KeptAnswer, KeyedRequest, reused
from kit.orm.atomic import atomic, cursor
from kit.sealing import seal, unseal
from tenants.models import StoredAnswer

KEPT = dt.timedelta(hours=KEPT_HOURS)

_CLAIM = """
INSERT INTO tenants_storedanswer
    (tenant_id, caller, key, fingerprint, status, sealed, created_at)
VALUES (%(tenant)s, %(caller)s, %(key)s, %(fingerprint)s, 0, '', clock_timestamp())
ON CONFLICT (tenant_id, caller, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, status = 0, sealed = '',
    created_at = excluded.created_at
WHERE tenants_storedanswer.created_at
    <= clock_timestamp() - make_interval(hours => %(kept_hours)s)
RETURNING id
"""


class StoredAnswers:
    """Keeps answers in `StoredAnswer`, in the caller's own role and transaction."""

    def claim(self, request: KeyedRequest) -> KeptAnswer | None:
        """Claim the key; return the kept answer where it was claimed before.

        Raises `IdempotencyKeyReused` when it was claimed for another request.
        """
        with cursor() as session:
            session.execute(
                _CLAIM,
                {
                    "tenant": request.tenant_id,
                    "caller": request.caller,
                    "key": request.key,
                    "fingerprint": request.fingerprint,
                    "kept_hours": KEPT_HOURS,
                },
            )
            if session.fetchone() is not None:
                return None
        row = _rows(request).get()
        if row.fingerprint != request.fingerprint:
            raise reused()
        return _opened(row, request)

    def keep(self, request: KeyedRequest, answer: KeptAnswer) -> None:
        """Keep the answer of a claimed request."""
        plain = {
            "headers": answer.headers,
            "body": base64.b64encode(answer.body).decode(),
        }
        sealed = seal(
            json.dumps(plain).encode(),
            key=request.secret,
            context=_context(request, answer.status),
        )
        _rows(request).update(status=answer.status, sealed=sealed)


def purge_answers(*, now: dt.datetime) -> int:
    """Forget the answers that outlived their day; return how many. Idempotent."""
    with atomic():
        deleted, _ = StoredAnswer.objects.filter(created_at__lte=now - KEPT).delete()
    return deleted


def _rows(request: KeyedRequest) -> QuerySet[StoredAnswer]:
    return StoredAnswer.objects.filter(
        tenant_id=request.tenant_id, caller=request.caller, key=request.key
    )


def _opened(row: StoredAnswer, request: KeyedRequest) -> KeptAnswer:
    plain: dict[str, Any] = json.loads(
        unseal(
            bytes(row.sealed),
            key=request.secret,
            context=_context(request, row.status),
        )
    )
    return KeptAnswer(row.status, plain["headers"], base64.b64decode(plain["body"]))


def _context(request: KeyedRequest, status: int) -> bytes:
    """Bind an answer to its row, so that it cannot be laid into another one."""
    return json.dumps(
        [request.caller, request.key, request.fingerprint, status]
    ).encode()
