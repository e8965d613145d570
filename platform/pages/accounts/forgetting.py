"""What signing in leaves behind and nobody needs any more: addresses above all.

Failure: what one run leaves the next one takes; it deletes by age, nothing else.
"""

import datetime as dt

from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.db import connections

from kit.orm.roles import current_alias

KEPT_FOR = dt.timedelta(days=30)


def forget_sign_ins(*, now: dt.datetime) -> int:
    """Delete what is older than 30 days, and sessions that ended; return how much."""
    limit = now - KEPT_FOR
    rows = [
        model.objects.filter(attempt_time__lt=limit)
        for model in (AccessAttempt, AccessFailureLog, AccessLog)
    ]
    rows.append(Session.objects.filter(expire_date__lt=now))
    gone: int = sum(each.delete()[0] for each in rows)
    alive = Session.objects.values("session_key")
    ended = UserSession.objects.exclude(session_key__in=alive)
    gone += ended.delete()[0]
    with connections[current_alias()].cursor() as cursor:
        cursor.execute("DELETE FROM config_cache WHERE expires < %s", [now])
    return gone
