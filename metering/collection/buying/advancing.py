"""Take purchases as far as they go: quote, ask, look again, until each has ended.

One process at a time talks to the provider about a tenant. Every step is committed
before the next one, so a worker that dies is followed by one that goes on.

Failure: one purchase that cannot go on holds up no other; it says why, and is tried
again later. Owns: when purchases are looked at.
"""

import datetime as dt

import structlog

from kit.errors import Conflict, PlatformError
from kit.orm.atomic import atomic
from metering.billing.accounts import (
    UnknownAccount,
    account_name_for,
    account_named,
)
from metering.billing.driving import sole_driver
from metering.billing.operations import (
    CallRefused,
    NotYet,
    OutcomeUnknown,
    Parked,
)
from metering.billing.providers.stripe.customers import PROVIDER, customer_of
from metering.collection.buying import calculating, quoting, starting
from metering.collection.buying.asking import begin
from metering.collection.buying.deciding import CLOSED_UNPAID, Kind, Outcome
from metering.collection.buying.ending import end_unpaid
from metering.collection.buying.looking import follow, look
from metering.collection.buying.quoting import Payer
from metering.collection.buying.telling import tell_that_it_waits
from metering.collection.methods import default_method, settle_preferences
from metering.collection.models import Purchase
from metering.collection.providing import client_of
from metering.topups import services as topups
from metering.topups.models import PROBLEM_CHARS_MAX, TopUp

log = structlog.get_logger(__name__)

BATCH = 100
LOOK_AGAIN = dt.timedelta(minutes=5)
TRY_AGAIN = dt.timedelta(minutes=1)
NO_METHOD = "There is no default payment method to pay with."
# What no further try makes better.
_FINAL = frozenset({"amount_too_small", "amount_too_large", "resource_missing"})
State = Purchase.State


def advance_purchases(*, now: dt.datetime) -> int:
    """Advance all purchases that are due to be looked at; return how many."""
    settle_preferences(now=now)
    begin_by_method(now=now)
    due = Purchase.objects.filter(state__in=Purchase.UNDER_WAY, look_at__lte=now)
    advanced = 0
    for row in due.select_related("tenant", "top_up").order_by("look_at")[:BATCH]:
        try:
            advanced += advance(purchase=row, now=now)
        except Exception:
            # A bug met by one purchase: the others go on.
            log.exception("purchase_not_advanced", purchase=str(row.public_id))
            _look_at(row, now + LOOK_AGAIN)
    return advanced


def advance(*, purchase: Purchase, now: dt.datetime) -> bool:
    """Take one purchase as far as it goes now; False while another worker does."""
    with sole_driver(provider=PROVIDER, tenant_id=purchase.tenant_id) as alone:
        if not alone:
            return False
        row = Purchase.objects.select_related("tenant", "top_up").get(pk=purchase.pk)
        try:
            _advance(row, now)
        except (CallRefused, UnknownAccount) as refusal:
            _refused(row, refusal, now)
        except (OutcomeUnknown, NotYet) as delay:
            log.info("purchase_waits", purchase=str(row.public_id), why=str(delay))
            _look_at(row, now + TRY_AGAIN)
        except PlatformError as error:
            end_unpaid(
                purchase=row, outcome=Outcome(Kind.FAILED, error.message), now=now
            )
        else:
            _look_at(row, now + LOOK_AGAIN)
    return True


def begin_by_method(*, now: dt.datetime) -> int:
    """Begin to pay what is due by default payment methods; return how many."""
    begun = 0
    due = TopUp.objects.filter(state=TopUp.State.DUE, way=TopUp.Way.METHOD)
    due = due.exclude(purchases__state__in=Purchase.UNDER_WAY)
    for top_up in due.select_related("tenant").order_by("pk")[:BATCH]:
        account = account_name_for(top_up.currency)
        if default_method(tenant_id=top_up.tenant_id, account=account):
            begun += _begin(top_up, now)
            continue
        with atomic():
            if topups.wait(top_up=top_up, problem=NO_METHOD):
                tell_that_it_waits(top_up=top_up, problem=NO_METHOD, now=now)
    return begun


def _begin(top_up: TopUp, now: dt.datetime) -> bool:
    """Begin unless another scan did meanwhile: of two at once, one waits here."""
    with atomic():
        topups.held(top_up)
        if Purchase.objects.filter(
            top_up=top_up, state__in=Purchase.UNDER_WAY
        ).exists():
            return False
        begin(top_up=top_up, way=Purchase.Way.METHOD, now=now)
    return True


def _advance(row: Purchase, now: dt.datetime) -> None:
    if row.state == State.ASKED:
        if row.cancel_asked_at is not None:
            outcome = Outcome(Kind.CANCELLED, CLOSED_UNPAID)
            end_unpaid(purchase=row, outcome=outcome, now=now)
            return
        row = _quoted(row, now)
    client = client_of(row.account)
    if row.state == State.QUOTED and row.way == Purchase.Way.CHECKOUT:
        starting.open_page(client, row, now=now)
    elif row.state == State.QUOTED:
        payment = starting.ask_payment(client, row, now=now)
        follow(client, row, payment, now=now)
    elif row.state == State.OPEN:
        look(purchase=row, now=now)


def _quoted(row: Purchase, now: dt.datetime) -> Purchase:
    client = client_of(row.account)
    customer = customer_of(client, account=row.account, tenant=row.tenant, now=now)
    payer = Payer(customer)
    if row.way == Purchase.Way.METHOD:
        method = default_method(tenant_id=row.tenant_id, account=row.account)
        if method is None:
            raise Conflict(NO_METHOD)
        payer = Payer(customer, method.reference)
    if account_named(row.account).automatic_tax:
        return calculating.freeze_calculated(client, row, payer=payer, now=now)
    quote = quoting.own_quote(purchase=row, now=now)
    return quoting.freeze(purchase=row, quote=quote, payer=payer, now=now)


def _refused(
    row: Purchase, refusal: CallRefused | UnknownAccount, now: dt.datetime
) -> None:
    """End what was refused for good; try anything else again later."""
    is_final = isinstance(refusal, Parked) or (
        isinstance(refusal, CallRefused) and refusal.code in _FINAL
    )
    has_begun = bool(row.session or row.intent)
    if is_final and not has_begun:
        outcome = Outcome(Kind.FAILED, f"The provider refused: {refusal}")
        end_unpaid(purchase=row, outcome=outcome, now=now)
        return
    log.warning("purchase_refused", purchase=str(row.public_id), why=str(refusal))
    problem = f"The provider refused: {refusal}"[:PROBLEM_CHARS_MAX]
    Purchase.objects.filter(pk=row.pk).update(problem=problem)
    _look_at(row, now + TRY_AGAIN)


def _look_at(row: Purchase, at: dt.datetime) -> None:
    Purchase.objects.filter(pk=row.pk).update(look_at=at)
