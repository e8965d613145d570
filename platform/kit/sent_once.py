"""A form that is sent twice does once what it asks: reloaded, clicked twice, resent.

A form that makes something carries a nonce, which is signed and bound to the session.
What it asks for claims the nonce in the transaction of the write, as an
`Idempotency-Key` is claimed and in the same table: of two at once the later waits for
the earlier, and learns where that one led. What was refused, or failed, claims nothing.

Failure: a nonce that is too old, or of another session, does nothing; the form is
opened anew. A form without a nonce is taken as it comes: every browser sends what it
was given. Owns: the nonce. Nothing of an answer is kept but its status and where what
it made is to be found: no secret that it showed.
"""

import datetime as dt
import hmac
import secrets
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html

from kit.drf.idempotency import KeptAnswer, KeyedRequest, store
from kit.orm.atomic import atomic
from kit.orm.roles import current_alias

FIELD = "form_nonce"
# Shorter than claims are kept: a nonce whose claim was forgotten is no longer good.
LIFE = dt.timedelta(hours=12)
CREATED = 201
_BYTES = 16
_REFUSED_FROM = 400


class FormTooOldError(Exception):
    """The form was opened too long ago, or in another session."""


class FormSentBeforeError(Exception):
    """The form was sent before, and showed something that is shown once.

    `address` is where what it made is to be found; it may be empty.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


def form_nonce(request: HttpRequest) -> dict[str, Callable[[], str]]:
    """Let templates say `{{ form_nonce }}`: a field with a nonce of its own each time.

    A context processor. Pages without such a form ask for no session.
    """
    return {FIELD: partial(nonce_field, request)}


def do_once(
    request: HttpRequest,
    do: Callable[[], HttpResponse],
    *,
    tenant_id: int | None = None,
    is_done: Callable[[HttpResponse], bool] | None = None,
) -> HttpResponse:
    """Do what a form asks, in a transaction, unless the form was sent before.

    It was done if it answers with less than 400, or as `is_done` says; otherwise what
    it wrote is undone. An answer that led elsewhere leads there again. Raises
    `FormTooOldError`, and `FormSentBeforeError` for an answer that showed something.
    """
    sent = request.POST.get(FIELD, "")
    if not sent:
        return do()
    keyed = _keyed(request, sent, tenant_id)
    with atomic():
        before = store().claim(keyed)
        if before is not None:
            return _again(before)
        answer = do()
        if is_done(answer) if is_done else answer.status_code < _REFUSED_FROM:
            store().keep(keyed, _kept(answer))
        else:
            transaction.set_rollback(True, using=current_alias())
        return answer


def nonce_field(request: HttpRequest) -> str:
    """Return a hidden field with a new nonce."""
    nonce = signing.dumps(secrets.token_urlsafe(_BYTES), salt=_salt(request))
    # Browsers that fill in what was typed before leave it as it is.
    return format_html(
        '<input type="hidden" name="{}" value="{}" autocomplete="off">', FIELD, nonce
    )


def _keyed(request: HttpRequest, sent: str, tenant_id: int | None) -> KeyedRequest:
    try:
        nonce: str = signing.loads(sent, salt=_salt(request), max_age=LIFE)
    except signing.BadSignature as bad:
        raise FormTooOldError from bad
    return KeyedRequest(
        caller=f"form:{request.user.pk or 0}",
        tenant_id=tenant_id,
        key=nonce,
        # What was sent may differ: a form that was gone back to is used up too.
        fingerprint="form",
        secret=hmac.digest(settings.STORED_ANSWER_SECRET, nonce.encode(), "sha256"),
    )


def _salt(request: HttpRequest) -> str:
    return f"kit.sent_once:{request.session.session_key}"


def _kept(answer: HttpResponse) -> KeptAnswer:
    address = answer.headers.get("Location", "")
    headers = {"Location": address} if address else {}
    return KeptAnswer(answer.status_code, headers, b"")


def _again(before: KeptAnswer) -> HttpResponse:
    address = before.headers.get("Location", "")
    if before.status == CREATED or not address:
        raise FormSentBeforeError(address)
    return HttpResponseRedirect(address)
