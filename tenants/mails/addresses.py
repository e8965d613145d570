"""Where a tenant's bills go: addresses that were confirmed, and members who see to it.

A tenant names up to five addresses; each gets a link, and no bill before it was opened
and confirmed. The link is a signature over the row and how often it was asked for, so
nothing secret is stored; another mail makes the link before it dead. Whoever has an
address may say no there, and is asked by that tenant no more.

Failure: a link that opens nothing is one `NotFound`, whatever the reason. Owns: billing
addresses.
"""

import datetime as dt

from celery import current_app
from django.core import signing
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.crypto import salted_hmac

from kit.errors import Conflict, NotFound, RateLimited
from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from kit.orm.saving import change, create
from tenants.mail import plain
from tenants.mails.letter import Action, Letter, address_of, host_name
from tenants.mails.sending import Composed, tell_by_mail
from tenants.mails.spelling import stored_address
from tenants.models import BillingAddress, Mail, Member, Role, Tenant

ADDRESSES_MAX = 5
VALID_FOR = dt.timedelta(days=7)
MAIL_GAP = dt.timedelta(minutes=1)
# Strangers are written to in our name: not often.
ASKED_MAX, ASKED_IN = 20, dt.timedelta(days=1)
# Of one address, however often it was removed meanwhile.
ASKED_OF_ONE_MAX, ASKED_OF_ONE_IN = 3, dt.timedelta(days=30)
DECLINED_FOR = dt.timedelta(days=365)
RUN_MAX = 1000
TASK = "tenants.send_mails"
_SALT = "billing-address"


def billing_addresses(*, tenant: Tenant) -> QuerySet[BillingAddress]:
    """Return the addresses that a tenant named, the first one first."""
    return BillingAddress.objects.filter(tenant=tenant, removed_at=None)


def bill_readers(tenant: Tenant) -> tuple[str, ...]:
    """Return whom bills go to now: each address once.

    Those are the operators' address of the tenant, the confirmed ones of its own, and
    its members with the role billing; its owners where that is nobody, or it would be
    suspended for what it was never told of.
    """
    confirmed = billing_addresses(tenant=tenant).filter(confirmed_at__isnull=False)
    named = (
        tenant.billing_email,
        *confirmed.values_list("email", flat=True),
        *_addresses_of(tenant, Role.BILLING),
    )
    found = {each.lower(): each for each in named if each}
    if not found:
        found = {each.lower(): each for each in _addresses_of(tenant, Role.OWNER)}
    return tuple(found.values())


def _addresses_of(tenant: Tenant, role: Role) -> list[str]:
    """Return the addresses of the members with a role, the first member's first."""
    members = Member.objects.filter(tenant=tenant, role=role, removed_at=None)
    named = members.exclude(email="").order_by("id")
    return list(named.values_list("email", flat=True))


def add_billing_address(
    *, tenant: Tenant, email: str, now: dt.datetime
) -> BillingAddress:
    """Name an address; its mail with the link goes out within a minute.

    Raises `InvalidRequest` for what is no address, `Conflict` for one that is there,
    that declined or one too many, `RateLimited` for a tenant that names too many within
    a day, or one too often.
    """
    address = stored_address(email)
    with atomic():
        # Two of one tenant take turns.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        there = billing_addresses(tenant=tenant)
        if there.filter(email=address).exists():
            raise Conflict("This address is there already.", param="email")
        if there.count() >= ADDRESSES_MAX:
            raise Conflict(
                f"There are {ADDRESSES_MAX} addresses: remove one first.", param="email"
            )
        _may_be_asked(tenant, address, now)
        row = BillingAddress(tenant=tenant, email=address, asked_at=now)
        create(row, action="add")
        _send_soon()
    return row


def ask_again(*, address: BillingAddress, now: dt.datetime) -> BillingAddress:
    """Send another link; the one before is dead.

    Raises `Conflict` for one that was confirmed or removed, `RateLimited` for one that
    was written to a moment ago, or often enough.
    """
    with atomic():
        # Before its row, as whoever names one: two of one tenant take turns.
        Tenant.objects.select_for_update(no_key=True).get(pk=address.tenant_id)
        row = BillingAddress.objects.select_for_update().get(pk=address.pk)
        if row.removed_at is not None or row.confirmed_at is not None:
            raise Conflict("It waits for no answer.")
        if row.asked_at + MAIL_GAP > now:
            raise RateLimited("It was written to a moment ago: wait a minute.")
        _may_be_asked(row.tenant, row.email, now)
        change(row, {"asked": row.asked + 1, "asked_at": now}, action="ask")
        _send_soon()
    return row


def remove_billing_address(
    *, address: BillingAddress, now: dt.datetime
) -> BillingAddress:
    """Send no more bills to an address. Idempotent: the first instant stays."""
    with atomic():
        row = BillingAddress.objects.select_for_update().get(pk=address.pk)
        if row.removed_at is None:
            change(row, {"removed_at": now}, action="remove")
    return row


def opened(*, text: str) -> BillingAddress:
    """Return the address that a link is for; raises `NotFound`."""
    try:
        said = signing.loads(text, salt=_SALT, max_age=VALID_FOR)
        row_id, asked = int(said[0]), int(said[1])
    except (signing.BadSignature, ValueError, TypeError, IndexError, KeyError):
        raise _nothing() from None
    row = (
        BillingAddress.objects.select_related("tenant")
        .filter(pk=row_id, asked=asked, removed_at=None)
        .first()
    )
    if row is None:
        raise _nothing()
    return row


def confirm(*, text: str, now: dt.datetime) -> BillingAddress:
    """Let bills go to the address of a link. Idempotent; raises `NotFound`."""
    with atomic():
        row = BillingAddress.objects.select_for_update().get(pk=opened(text=text).pk)
        if row.confirmed_at is None:
            change(row, {"confirmed_at": now}, action="confirm")
    return row


def decline(*, text: str, now: dt.datetime) -> BillingAddress:
    """Let no bill go to the address of a link, and no mail ask there again for a year.

    Raises `NotFound`, also for one that was confirmed: its tenant removes it.
    """
    with atomic():
        row = BillingAddress.objects.select_for_update().get(pk=opened(text=text).pk)
        if row.confirmed_at is not None:
            raise _nothing()
        change(row, {"removed_at": now, "declined_at": now}, action="decline")
    return row


def ask_for_answers(*, now: dt.datetime) -> int:
    """Let the mails wait that ask whoever has an address; return how many are new.

    A scan: the number of a mail is how often the address was asked. Those whose mail
    there is are passed by: they wait for days, and would keep others from their turn.
    """
    told = Mail.objects.filter(
        kind=Mail.Kind.ADDRESS, subject_id=OuterRef("pk"), number=OuterRef("asked")
    )
    waiting = BillingAddress.objects.filter(
        ~Exists(told),
        confirmed_at=None,
        removed_at=None,
        asked_at__gt=now - VALID_FOR,
    )
    found = [
        (row.tenant_id, row.pk, row.asked)
        for row in waiting.order_by("asked_at")[:RUN_MAX]
        if row.email
    ]
    return tell_by_mail(kind=Mail.Kind.ADDRESS, told=found, now=now)


def letter_of(mail: Mail) -> Composed | None:
    """Compose the mail that asks; None once it was answered, or asked for again."""
    row = (
        BillingAddress.objects.select_related("tenant")
        .filter(pk=mail.subject_id, asked=mail.number, confirmed_at=None)
        .filter(removed_at=None)
        .first()
    )
    return Composed(asking(row), (row.email,)) if row and row.email else None


def asking(row: BillingAddress) -> Letter:
    """Return the letter with an address's present link."""
    tenant = plain(row.tenant.name)
    return Letter(
        subject=f"{tenant}: shall bills come to this address?",
        headline=f"“{tenant}” wants to send its bills to you",
        paragraphs=(
            f"Somebody who works for “{tenant}” on {host_name()} named this address"
            " for invoices, receipts and reminders. None comes before you agree.",
        ),
        action=Action(
            "Yes, send them here",
            address_of(f"/accounts/billing-address/{link_text(row)}/"),
        ),
        small=(
            f"The link ends on {row.asked_at + VALID_FOR:%-d %B %Y, %H:%M} UTC. If you"
            " do not know them, do nothing, or open it and say that you want no more of"
            " these.",
        ),
    )


def link_text(row: BillingAddress) -> str:
    """Return the secret text of the present link."""
    return signing.dumps([row.pk, row.asked], salt=_SALT)


def _send_soon() -> None:
    # Robust: a broker that is away is made up for by the next scan.
    transaction.on_commit(_call_worker, using=current_alias(), robust=True)


def _call_worker() -> None:
    current_app.send_task(TASK, retry=False)


def _may_be_asked(tenant: Tenant, email: str, now: dt.datetime) -> None:
    """Raise for an address that declined, or that mails asked often enough."""
    named = BillingAddress.objects.filter(tenant=tenant)
    same = named.filter(Q(email=email) | Q(digest=digest_of(tenant.pk, email)))
    if same.filter(declined_at__gt=now - DECLINED_FOR).exists():
        raise Conflict(
            "Whoever has this address declined to get your bills: it is not asked"
            " again.",
            param="email",
        )
    # A row's mails all count from its last one: never fewer than there were.
    of_one = same.filter(asked_at__gt=now - ASKED_OF_ONE_IN)
    if sum(of_one.values_list("asked", flat=True)) >= ASKED_OF_ONE_MAX:
        raise RateLimited(
            f"{ASKED_OF_ONE_MAX} mails have asked this address within"
            f" {ASKED_OF_ONE_IN.days} days: write to whoever has it yourself.",
            param="email",
        )
    recent = named.filter(asked_at__gt=now - ASKED_IN)
    if sum(recent.values_list("asked", flat=True)) >= ASKED_MAX:
        raise RateLimited(
            f"{ASKED_MAX} mails asked for an answer within a day: try again tomorrow.",
            param="email",
        )


def digest_of(tenant_id: int, email: str) -> str:
    """Return what an address leaves that is forgotten: keyed, so guessed by nobody."""
    said = f"{tenant_id}:{email.lower()}"
    return salted_hmac(_SALT, said, algorithm="sha256").hexdigest()


def forget_digests(*, now: dt.datetime) -> int:
    """Forget of forgotten addresses what holds no more; return of how many."""
    asked = Q(declined_at=None, asked_at__lte=now - ASKED_OF_ONE_IN)
    over = asked | Q(declined_at__lte=now - DECLINED_FOR)
    return BillingAddress.objects.exclude(digest="").filter(over).update(digest="")


def _nothing() -> NotFound:
    return NotFound(
        "This link opens nothing any more. Ask whoever named your address for another"
        " one."
    )
