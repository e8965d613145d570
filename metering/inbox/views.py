"""Where Stripe calls: a webhook is kept, committed, and only then acknowledged.

Failure: what is refused is told why, as the management API would; without PostgreSQL
nothing is acknowledged, and Stripe comes again.
"""

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from kit.drf.problems import CONTENT_TYPE, problem_of, request_id_of
from kit.errors import (
    InvalidRequest,
    PayloadTooLarge,
    PlatformError,
    ServiceUnavailable,
)
from kit.orm.roles import as_operator
from metering.billing.accounts import DEFAULT
from metering.inbox import receiving

BODY_BYTES_MAX = 262_144
_RETRY_AFTER_S = 10


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest, account: str = DEFAULT) -> HttpResponse:
    """Take one webhook of an account in."""
    try:
        told = receiving.open_account(account)
        payload = _body(request)
        signature = request.headers.get("Stripe-Signature", "")
        with as_operator():
            receiving.receive(payload, signature, account=told, now=timezone.now())
    except PlatformError as refusal:
        return _refusal(request, refusal)
    except (OperationalError, InterfaceError):
        away = ServiceUnavailable(
            "The database is away: send it again.",
            headers={"retry-after": str(_RETRY_AFTER_S)},
        )
        return _refusal(request, away)
    return JsonResponse({"received": True})


def _body(request: HttpRequest) -> bytes:
    """Return the whole body, of which no more is read than may be taken."""
    try:
        payload: bytes = request.read(BODY_BYTES_MAX + 1)
    except UnreadablePostError:
        raise InvalidRequest("The body ended early.") from None
    if len(payload) > BODY_BYTES_MAX:
        raise PayloadTooLarge(f"A webhook has {BODY_BYTES_MAX:,} bytes at most.")
    return payload


def _refusal(request: HttpRequest, refusal: PlatformError) -> HttpResponse:
    body = problem_of(refusal, request_id=request_id_of(request))
    return JsonResponse(
        body,
        status=refusal.status,
        content_type=CONTENT_TYPE,
        headers=refusal.headers,
    )
