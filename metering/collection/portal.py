"""Make links to the provider's page for customers: asked for here, made by the worker.

Whoever asks runs in a transaction and holds no key of the provider.

Failure: a link that cannot be made says why; one that is lost on the way is asked for
again under the same key. Owns: portal links.
"""

import datetime as dt

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

from kit.errors import Conflict
from kit.ids import uuid7
from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from kit.orm.saving import change, create
from metering.billing import operations
from metering.billing.accounts import UnknownAccount, account_name_for
from metering.billing.driving import sole_driver
from metering.billing.operations import Call, CallRefused, NotYet, OutcomeUnknown
from metering.billing.providers.stripe.customers import PROVIDER, customer_of
from metering.collection.models import PortalLink
from metering.collection.providing import client_of
from metering.topups.models import PROBLEM_CHARS_MAX
from metering.topups.services import OFFLINE
from tenants.mails.letter import console_address
from tenants.models import Tenant

log = structlog.get_logger(__name__)

TASK = "collection.make_portal_links"
BATCH = 100
KEPT = dt.timedelta(days=1)
# A person waits for it: after that it is no use any more.
TRIED_FOR = dt.timedelta(minutes=10)
# A provider's link opens its page for five minutes.
SAME_FOR = dt.timedelta(minutes=1)
TRY_AGAIN = dt.timedelta(seconds=15)
State = PortalLink.State


def ask_for_link(*, tenant: Tenant, now: dt.datetime) -> PortalLink:
    """Ask for a link for a tenant; it is there within seconds.

    One that waits to be made, or that was asked for a moment ago, is that one: however
    often it is asked, the provider is called once a minute at most.

    Raises `Conflict` where no provider has such a page.
    """
    if settings.BILLING_PROVIDER == OFFLINE:
        raise Conflict("This installation's billing provider has no page for it.")
    account = account_name_for(tenant.currency)
    with atomic():
        # Two of one tenant take turns.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        latest = _latest(tenant, account, now)
        return latest or _asked(tenant, account, now)


def _latest(tenant: Tenant, account: str, now: dt.datetime) -> PortalLink | None:
    """Return the link that is being made, or was just now, if there is one."""
    recent = PortalLink.objects.filter(
        tenant=tenant, account=account, asked_at__gt=now - TRIED_FOR
    ).exclude(state=State.FAILED)
    row = recent.order_by("-asked_at", "-id").first()
    if row is None or row.state == State.ASKED or row.asked_at > now - SAME_FOR:
        return row
    return None


def _asked(tenant: Tenant, account: str, now: dt.datetime) -> PortalLink:
    row = PortalLink(
        public_id=uuid7(int(now.timestamp() * 1000)),
        tenant=tenant,
        account=account,
        asked_at=now,
        try_at=now,
    )
    create(row, action="ask")
    transaction.on_commit(_tell, using=current_alias(), robust=True)
    return row


def make_links(*, now: dt.datetime) -> int:
    """Make the links that were asked for, and forget old ones; return how many."""
    PortalLink.objects.filter(asked_at__lt=now - KEPT).delete()
    made = 0
    due = PortalLink.objects.filter(state=State.ASKED, try_at__lte=now)
    for row in due.select_related("tenant").order_by("try_at")[:BATCH]:
        try:
            with sole_driver(provider=PROVIDER, tenant_id=row.tenant_id) as alone:
                made += alone and _make(row, now)
        except Exception:
            # A bug met by one link: the others are still made.
            log.exception("portal_link_not_made", portal_link=row.pk)
            _put_off(row, "It could not be made: see the log.", now)
    return made


def _make(row: PortalLink, now: dt.datetime) -> bool:
    row.refresh_from_db()
    if row.state != State.ASKED:
        return False
    try:
        client = client_of(row.account)
        customer = customer_of(client, account=row.account, tenant=row.tenant, now=now)
        address = console_address(row.tenant.slug, "billing/")
        subject = str(row.public_id)
        operations.perform(
            Call(PROVIDER, row.account, "portal", subject, row.tenant_id),
            send=lambda key: client.portal.create(
                customer, return_url=address, key=key
            ),
            record=lambda url: _keep(row, url),
            now=now,
        )
    except (CallRefused, UnknownAccount) as refusal:
        _fail(row, f"The provider refused: {refusal}")
    except (OutcomeUnknown, NotYet) as delay:
        _put_off(row, str(delay), now)
    else:
        return True
    return False


def _keep(row: PortalLink, url: str) -> str:
    change(row, {"state": State.READY, "url": url}, action="make")
    # The outbox shows what it keeps to operators: not a way in.
    return f"for {row.public_id}"


def _put_off(row: PortalLink, problem: str, now: dt.datetime) -> None:
    if now - row.asked_at > TRIED_FOR:
        _fail(row, problem)
    else:
        PortalLink.objects.filter(pk=row.pk).update(try_at=now + TRY_AGAIN)


def _fail(row: PortalLink, problem: str) -> None:
    said = problem[:PROBLEM_CHARS_MAX]
    change(row, {"state": State.FAILED, "problem": said}, action="fail")


def _tell() -> None:
    current_app.send_task(TASK, retry=False)
