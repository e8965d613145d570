"""The second factor: who owes one, who has shown one, giving and taking.

A session counts once a code was accepted in it, and only while the factor of that code
exists: whoever loses a factor loses what it had opened.

Failure: what is unknown has not been shown.
"""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.utils import decrypt
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from kit.orm.atomic import atomic

_METHOD = "mfa"
_SHOWN_BY = "second_factor_shown_by"


def is_owed(request: HttpRequest) -> bool:
    """Tell whether a second factor is owed still: by staff, and nobody else."""
    user = request.user
    if not settings.SECOND_FACTOR_REQUIRED or not user.is_authenticated:
        return False
    return user.is_staff and not is_shown(request)


def is_shown(request: HttpRequest) -> bool:
    """Tell whether a second factor that still exists was shown in this session."""
    user = request.user
    if not user.is_authenticated:
        return False
    # Several guards ask during one request; the database is asked once.
    if getattr(request, _SHOWN_BY, None) == user.pk:
        return True
    records = get_authentication_records(request, user)
    shown = {one.get("id") for one in records if one.get("method") == _METHOD}
    if not shown:
        return False
    if not Authenticator.objects.filter(user=user, pk__in=shown).exists():
        return False
    setattr(request, _SHOWN_BY, user.pk)
    return True


def next_step(request: HttpRequest) -> str:
    """Return the page on which the person gives what is owed, and comes back from."""
    has_one = Authenticator.objects.filter(user_id=request.user.pk).exists()
    page = reverse("mfa_reauthenticate" if has_one else "mfa_activate_totp")
    if not has_one or request.method != "GET":
        return page
    return f"{page}?{urlencode({'next': request.get_full_path()})}"


def remember(*, request: HttpRequest, authenticator: Authenticator, **_: Any) -> None:
    """Take a factor for shown that was set up just now, by a code of it."""
    record_authentication(
        request,
        authenticator.user,
        _METHOD,
        id=authenticator.pk,
        type=authenticator.type,
    )


def end_other_sessions(
    *, request: HttpRequest, authenticator: Authenticator, **_: Any
) -> None:
    """End the sessions that began by password alone, now that there is an app."""
    if authenticator.type != Authenticator.Type.TOTP:
        return
    sessions = UserSession.objects.filter(user_id=authenticator.user_id)
    for session in sessions.exclude(session_key=request.session.session_key):
        session.end()


def enrol(*, user: User, secret: str) -> Authenticator:
    """Give an account an authenticator app with this secret, and recovery codes.

    What it had before is replaced.
    """
    with atomic():
        Authenticator.objects.filter(user=user).delete()
        made: Authenticator = TOTP.activate(user, secret).instance
        RecoveryCodes.activate(user)
    return made


def secret_of(user: User) -> str:
    """Return the secret of an account's authenticator app; empty without one."""
    rows = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP)
    row = rows.first()
    if row is None:
        return ""
    return str(decrypt(row.data["secret"]))


def reset(*, user: User) -> int:
    """Take every second factor from an account and end its sessions; return how many.

    Idempotent.
    """
    with atomic():
        rows = list(Authenticator.objects.filter(user=user))
        for row in rows:
            row.delete()
        for session in UserSession.objects.filter(user=user):
            session.end()
    return len(rows)
