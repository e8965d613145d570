"""Note when management tokens are used, to the minute.

Failure: a note that would have to wait, for whoever changes the token, is left out: the
next use makes it. It is no change of the token, so the audit is not told.
"""

import datetime as dt

from kit.orm.atomic import atomic
from tenants.models import ManagementToken


def note_token_use(
    *, token_id: int, last_used_at: dt.datetime | None, now: dt.datetime
) -> None:
    """Note that a token is used now, unless this minute's use is noted already."""
    minute = now.replace(second=0, microsecond=0)
    if last_used_at is not None and last_used_at >= minute:
        return
    row = ManagementToken.objects.filter(pk=token_id)
    with atomic():
        free = row.select_for_update(skip_locked=True, no_key=True).values("pk")
        ManagementToken.objects.filter(pk__in=free).update(last_used_at=minute)
