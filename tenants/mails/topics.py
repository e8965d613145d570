"""Which mails a member gets by choice: of limits, top-ups, models, webhook endpoints.

What the law, a contract or safety asks for is nobody's choice: invoices, receipts,
payments that failed, reminders and suspensions, invitations, and what has to do with an
account. Programs are told by webhooks whatever people chose.

Failure: nobody chooses for somebody else. Owns: `Member.mails_off`.
"""

from collections.abc import Collection

from django.db import models

from kit.acting import ActorKind, current
from kit.errors import InvalidRequest, PermissionDenied
from kit.orm.atomic import atomic
from kit.orm.saving import change
from tenants.models import Member


class Topic(models.TextChoices):
    """What a member may want no mails of."""

    LIMITS = "limits", "Limits: a share is used, all is used, it can be used again"
    TOP_UPS = "top_ups", "Top-ups that wait or failed"
    MODELS = "models", "Models that retire"
    WEBHOOKS = "webhooks", "Webhook endpoints that are paused"


def wants(member: Member, topic: Topic) -> bool:
    """Tell whether a member gets mails of a topic."""
    return topic.value not in member.mails_off


def choose_mails(*, member: Member, wanted: Collection[str]) -> Member:
    """Send a member mails of these topics and of no other; members choose themselves.

    Raises `InvalidRequest` for a topic that there is not, `PermissionDenied` for
    whoever chooses for somebody else.
    """
    actor = current()
    is_own = actor.kind is ActorKind.MEMBER and actor.member_id == member.pk
    if not is_own:
        raise PermissionDenied("Everybody chooses mails for themselves.")
    if unknown := set(wanted) - set(Topic.values):
        raise InvalidRequest(
            f"There is no topic '{min(unknown)[:40]}': choose {', '.join(Topic)}.",
            param="wanted",
        )
    off = [each for each in Topic.values if each not in wanted]
    with atomic():
        row = Member.objects.select_for_update().get(pk=member.pk)
        change(row, {"mails_off": off}, action="choose_mails")
    return row
